// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/control.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_SECONDS 20

static int control_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int exchange(FILE *stream, const char *request, json_t **ret)
{
    if (fprintf(stream, "%s\n", request) < 0 || fflush(stream))
        return -EIO;
    json_t *answer = json_loadf(stream, JSON_DISABLE_EOF_CHECK, NULL);
    if (!answer && ferror(stream))
        return -ETIMEDOUT;
    if (!json_is_true(json_object_get(answer, "ok"))) {
        json_decref(answer);
        return -EPROTO;
    }
    *ret = answer;
    return 0;
}

int control_ask(const char *path, const char *request, json_t **ret)
{
    int fd = control_connect(path);

    if (fd < 0)
        return fd;
    FILE *stream = fdopen(fd, "r+");
    if (!stream) {
        close(fd);
        return -ENOMEM;
    }
    int error = exchange(stream, request, ret);
    fclose(stream);
    return error;
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

double control_number(const json_t *answer, const char *path)
{
    const json_t *value = find(answer, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *control_text(const json_t *answer, const char *path)
{
    const char *text = json_string_value(find(answer, path));
    return text ? text : "";
}
