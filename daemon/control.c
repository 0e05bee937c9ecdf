// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/control.h"

#include <ctype.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

struct client {
    struct control *control;
    struct bufferevent *stream;
    bool last;  /* close when the answer is out */
    bool ended; /* it will ask nothing more; what it asked is still answered */
};

struct control {
    struct event_base *base;
    struct sockaddr_un address;
    struct stat identity; /* of the socket's file, so as to remove only our own */
    control_answer *answer;
    void *context;
    struct evconnlistener *listener;
    struct client clients[CONTROL_CLIENTS];
};

/* ---- answering ---- */

static json_t *refusal(const char *error)
{
    char plain[256];
    json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", error);

    if (answer)
        return answer;
    /* Not UTF-8: a long name is cut where there is no more room, in a character or not. */
    snprintf(plain, sizeof(plain), "%s", error);
    for (char *c = plain; *c; c++)
        if (!isascii((unsigned char)*c))
            *c = '?';
    return json_pack("{s:b, s:s}", "ok", 0, "error", plain);
}

static json_t *answer_request(struct control *control, const char *line, size_t length)
{
    json_error_t where;
    const char *error = "the request has no \"request\"";
    json_t *arguments = json_loadb(line, length, JSON_REJECT_DUPLICATES, &where);
    json_t *answer = NULL;

    if (!json_is_object(arguments)) {
        error = "the request is not a JSON object";
    } else {
        const char *request = json_string_value(json_object_get(arguments, "request"));
        if (request)
            answer = control->answer(control->context, request, arguments, &error);
    }
    json_decref(arguments);
    return answer ? answer : refusal(error);
}

static void send_answer(struct bufferevent *stream, json_t *answer)
{
    char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(13)) : NULL;
    static const char none[] = "{\"ok\":false,\"error\":\"no memory\"}";

    bufferevent_write(stream, text ? text : none, strlen(text ? text : none));
    bufferevent_write(stream, "\n", 1);
    free(text);
    json_decref(answer);
}

/* ---- clients ---- */

static void client_end(struct client *client)
{
    bufferevent_free(client->stream); /* closes its descriptor */
    memset(client, 0, sizeof(*client));
}

static void client_refuse(struct client *client, const char *error)
{
    client->last = true;
    bufferevent_disable(client->stream, EV_READ);
    send_answer(client->stream, refusal(error));
}

/* One request at a time: a client that does not read its answers asks no more questions. */
static void client_serve(struct client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->stream);
    struct evbuffer *output = bufferevent_get_output(client->stream);
    size_t length;

    while (!client->last && evbuffer_get_length(output) == 0) {
        char *line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF);
        if (!line) {
            if (evbuffer_get_length(input) >= CONTROL_REQUEST_MAX)
                client_refuse(client, "the request is too long");
            return;
        }
        if (length >= CONTROL_REQUEST_MAX)
            client_refuse(client, "the request is too long");
        else
            send_answer(client->stream, answer_request(client->control, line, length));
        free(line);
    }
}

/* Goes on with a client whose answer is out, or who asked something. */
static void client_go_on(struct client *client)
{
    client_serve(client);
    bool owed = evbuffer_get_length(bufferevent_get_output(client->stream)) > 0;
    if (!owed && (client->last || client->ended))
        client_end(client);
}

static void on_read(struct bufferevent *stream, void *context)
{
    (void)stream;
    client_go_on(context);
}

static void on_written(struct bufferevent *stream, void *context)
{
    (void)stream;
    client_go_on(context);
}

/* The other end closed its half, or all of it; an error; or nothing moved for too long. */
static void on_end(struct bufferevent *stream, short what, void *context)
{
    struct client *client = context;

    (void)stream;
    if (what & BEV_EVENT_EOF) {
        client->ended = true;
        client_go_on(client);
    } else {
        client_end(client);
    }
}

static struct client *client_place(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (!control->clients[i].stream)
            return &control->clients[i];
    return NULL;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    static const char full[] = "{\"ok\":false,\"error\":\"too many clients\"}\n";
    static const struct timeval idle = {.tv_sec = CONTROL_IDLE_SECONDS};
    struct control *control = context;
    struct client *client = client_place(control);

    (void)listener, (void)address, (void)length;
    struct bufferevent *stream =
        client ? bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!stream) {
        if (send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            log_line(LOG_DEBUG, "control", "a client was turned away");
        close(fd);
        return;
    }
    *client = (struct client){.control = control, .stream = stream};
    bufferevent_setcb(stream, on_read, on_written, on_end, client);
    bufferevent_set_timeouts(stream, &idle, &idle);
    bufferevent_setwatermark(stream, EV_READ, 0, CONTROL_REQUEST_MAX);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
}

/* No descriptors left: come back to it when some may be free again. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    (void)listener, (void)context;
    log_line(LOG_WARNING, "control", "accepting a client: %s", strerror(errno));
}

/* ---- the socket ---- */

/* Whether somebody answers there. */
static bool is_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive =
        fd >= 0 && (connect(fd, (const void *)address, sizeof(*address)) == 0 || errno == EAGAIN);

    if (fd >= 0)
        close(fd);
    return alive;
}

/* Only a socket is ever removed, and only one that nobody listens on. */
static int leftover_remove(const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    if (is_alive(address))
        return -EADDRINUSE;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int socket_open(const struct sockaddr_un *address, int *ret)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    /* Never open to others, not even between bind and chmod. */
    mode_t mask = umask(0177);
    int error = bind(fd, (const void *)address, sizeof(*address)) < 0 ? -errno : 0;
    umask(mask);
    if (error) {
        close(fd);
        return error;
    }
    *ret = fd;
    return 0;
}

static int listener_start(struct control *control)
{
    int fd = -1, error = leftover_remove(&control->address);

    if (!error)
        error = socket_open(&control->address, &fd);
    if (error)
        return error;
    control->listener = evconnlistener_new(control->base, on_accept, control, LEV_OPT_CLOSE_ON_FREE,
                                           CONTROL_CLIENTS, fd);
    if (!control->listener) {
        close(fd);
        unlink(control->address.sun_path);
        return -ENOMEM;
    }
    evconnlistener_set_error_cb(control->listener, on_accept_error);
    return stat(control->address.sun_path, &control->identity) < 0 ? -errno : 0;
}

int control_listen(struct event_base *base, const char *path, control_answer *answer, void *context,
                   struct control **ret)
{
    struct control *control = calloc(1, sizeof(*control));

    if (!control)
        return -ENOMEM;
    control->base = base;
    control->answer = answer;
    control->context = context;
    control->address.sun_family = AF_UNIX;
    int error = strlen(path) >= sizeof(control->address.sun_path) ? -ENAMETOOLONG : 0;
    if (!error) {
        memcpy(control->address.sun_path, path, strlen(path));
        error = listener_start(control);
    }
    if (error) {
        control_close(control);
        return error;
    }
    *ret = control;
    return 0;
}

void control_close(struct control *control)
{
    struct stat st;

    if (!control)
        return;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (control->clients[i].stream)
            client_end(&control->clients[i]);
    if (control->listener) {
        evconnlistener_free(control->listener);
        if (stat(control->address.sun_path, &st) == 0 && st.st_ino == control->identity.st_ino &&
            st.st_dev == control->identity.st_dev)
            unlink(control->address.sun_path);
    }
    free(control);
}
