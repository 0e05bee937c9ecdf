// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "sandbox/process.h"

struct namespace
{
    int fd;
    int home; /* where the thread that entered came from */
};

#define OWN_NAMESPACE "/proc/thread-self/ns/net"

static int loopback_up(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    strcpy(request.ifr_name, "lo");
    int error = ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
    close(fd);
    return error;
}

/* On a thread of its own, which takes the way back with it when it ends. */
static void *namespace_make(void *argument)
{
    struct namespace *space = argument;

    if (unshare(CLONE_NEWNET)) {
        space->fd = -errno;
        return NULL;
    }
    int error = loopback_up();
    int fd = error ? -1 : open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
    space->fd = error ? error : fd < 0 ? -errno : fd;
    return NULL;
}

/* Neighbour discovery would put packets of its own among those that are counted. */
static int namespace_quiet(struct namespace *space)
{
    int error = namespace_sysctl(space, "net/ipv6/conf/all/disable_ipv6", "1");

    if (!error)
        error = namespace_sysctl(space, "net/ipv6/conf/default/disable_ipv6", "1");
    return error == -ENOENT ? 0 : error;
}

int namespace_create(struct namespace **ret)
{
    pthread_t thread;
    struct namespace *space = calloc(1, sizeof(*space));

    if (!space)
        return -ENOMEM;
    space->home = -1;
    int error = -pthread_create(&thread, NULL, namespace_make, space);
    if (!error) {
        pthread_join(thread, NULL);
        error = space->fd < 0 ? space->fd : namespace_quiet(space);
    }
    if (error) {
        free(space);
        return error;
    }
    *ret = space;
    return 0;
}

void namespace_free(struct namespace *space)
{
    if (!space)
        return;
    close(space->fd);
    free(space);
}

int namespace_fd(const struct namespace *space)
{
    return space->fd;
}

int namespace_enter(struct namespace *space)
{
    int home = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);

    if (home < 0)
        return -errno;
    if (setns(space->fd, CLONE_NEWNET)) {
        int error = -errno;
        close(home);
        return error;
    }
    space->home = home;
    return 0;
}

void namespace_leave(struct namespace *space)
{
    /* Going on in the wrong namespace would touch the host's network. */
    if (setns(space->home, CLONE_NEWNET))
        abort();
    close(space->home);
    space->home = -1;
}

static int file_write(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int error = write(fd, value, strlen(value)) < 0 ? -errno : 0;
    close(fd);
    return error;
}

int namespace_sysctl(struct namespace *space, const char *name, const char *value)
{
    char path[256];
    int error = namespace_enter(space);

    if (error)
        return error;
    snprintf(path, sizeof(path), "/proc/sys/%s", name);
    error = file_write(path, value);
    namespace_leave(space);
    return error;
}

static const char *ip_program(void)
{
    static const char *const places[] = {"/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return "/sbin/ip";
}

static int commands_file(const char *commands)
{
    int fd = memfd_create("ip-batch", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (write(fd, commands, strlen(commands)) != (ssize_t)strlen(commands) || lseek(fd, 0, 0)) {
        close(fd);
        return -EIO;
    }
    return fd;
}

int namespace_ip(struct namespace *space, const char *commands)
{
    const char *arguments[] = {ip_program(), "-batch", "-", NULL};
    struct process_options options = {.arguments = arguments, .space = space};
    struct process *process;
    int status = 0, fd = commands_file(commands);

    if (fd < 0)
        return fd;
    options.input = fd;
    int error = process_start(&options, &process);
    close(fd);
    if (error)
        return error;
    error = process_wait(process, 10, &status);
    process_free(process);
    if (!error && (!WIFEXITED(status) || WEXITSTATUS(status))) {
        log_line(LOG_ERR, "sandbox", "ip did not accept: %s", commands);
        error = -EIO;
    }
    return error;
}

int namespace_socket(struct namespace *space, int domain, int type, int protocol)
{
    int error = namespace_enter(space);

    if (error)
        return error;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    error = fd < 0 ? -errno : fd;
    namespace_leave(space);
    return error;
}
