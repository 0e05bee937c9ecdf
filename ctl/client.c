// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/client.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* 256 guests at 4 KB each, and room to spare. */
#define ANSWER_BYTES (16u << 20)

static int connect_to(const char *path, double patience)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = (time_t)patience,
                            .tv_usec = (suseconds_t)(1e6 * fmod(patience, 1))};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
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
        const char *why = client_text(answer, "error");
        snprintf(ret_refusal, size, "%s", *why ? why : "it does not say why");
        error = -EREMOTEIO;
    }
    json_decref(answer);
    return error;
}

int client_ask(const char *path, json_t *request, double patience, json_t **ret, char *ret_refusal,
               size_t size)
{
    char *line = NULL;
    size_t length = 0;

    if (!request) /* made of something that is not UTF-8 */
        return -EINVAL;
    int fd = connect_to(path, patience);
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

int client_ask_status(const char *path, const char *vm, double patience, json_t **ret,
                      char *ret_refusal, size_t size)
{
    json_t *request = vm ? json_pack("{s:s, s:s}", "request", "status", "vm", vm)
                         : json_pack("{s:s}", "request", "status");

    return client_ask(path, request, patience, ret, ret_refusal, size);
}

static const json_t *find(const json_t *answer, const char *path)
{
    char name[64];

    while (answer && *path) {
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof(name), "%.*s", (int)length, path);
        answer = json_object_get(answer, name);
        path += length + (path[length] == '.');
    }
    return answer;
}

double client_number(const json_t *answer, const char *path)
{
    const json_t *value = find(answer, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *client_text(const json_t *answer, const char *path)
{
    const char *text = json_string_value(find(answer, path));
    return text ? text : "";
}
