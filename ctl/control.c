// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/control.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 5
/* 256 guests at 4 KB each, and room to spare. */
#define ANSWER_BYTES (16u << 20)

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
        connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int request_send(int fd, json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);

    json_decref(request);
    if (!text)
        return -ENOMEM;
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of its end */
    ssize_t sent = send(fd, text, length + 1, MSG_NOSIGNAL);
    free(text);
    if (sent < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return (size_t)sent == length + 1 ? 0 : -EIO;
}

/* Reads up to the end of the line. The caller frees. */
static int line_receive(int fd, char **ret, size_t *ret_length)
{
    size_t size = 0, used = 0;
    char *line = NULL;

    for (;;) {
        if (used == size) {
            size = size ? 2 * size : 4096;
            char *more = size <= ANSWER_BYTES ? realloc(line, size) : NULL;
            if (!more) {
                free(line);
                return -EMSGSIZE;
            }
            line = more;
        }
        ssize_t got = recv(fd, line + used, size - used, 0);
        if (got <= 0) {
            int error = got == 0 ? -EPROTO : errno == EAGAIN ? -ETIMEDOUT : -errno;
            free(line);
            return error;
        }
        char *end = memchr(line + used, '\n', (size_t)got);
        used += (size_t)got;
        if (end) {
            *ret = line;
            *ret_length = (size_t)(end - line);
            return 0;
        }
    }
}

static int answer_parse(const char *line, size_t length, json_t **ret, char *ret_refusal,
                        size_t size)
{
    json_t *answer = json_loadb(line, length, 0, NULL);
    const json_t *ok = json_object_get(answer, "ok");

    if (json_is_true(ok)) {
        *ret = answer;
        return 0;
    }
    int error = -EPROTO;
    if (json_is_false(ok)) {
        const char *why = control_text(answer, "error");
        snprintf(ret_refusal, size, "%s", why ? why : "it does not say why");
        error = -EREMOTEIO;
    }
    json_decref(answer);
    return error;
}

int control_ask(const char *path, json_t *request, json_t **ret, char *ret_refusal, size_t size)
{
    char *line = NULL;
    size_t length = 0;
    int fd = connect_to(path);

    if (fd < 0) {
        json_decref(request);
        return fd;
    }
    int error = request_send(fd, request);
    if (!error)
        error = line_receive(fd, &line, &length);
    close(fd);
    if (error)
        return error;
    error = answer_parse(line, length, ret, ret_refusal, size);
    free(line);
    return error;
}

double control_number(const json_t *object, const char *key, double factor)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? factor * json_number_value(value) : NAN;
}

const char *control_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void control_write_count(struct writer *writer, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_integer(value) && json_integer_value(value) >= 0)
        writer_count(writer, (uint64_t)json_integer_value(value));
    else
        writer_none(writer);
}
