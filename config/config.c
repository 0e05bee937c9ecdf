// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/device.h"
#include "common/keys.h"
#include "config/key.h"
#include "config/line.h"
#include "model/stream.h"

/* Guards against a file that is not meant as ours; a host has far fewer guests. */
#define VM_MAX 4096u
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct vm {
    char name[CONFIG_NAME];
    unsigned line;
    bool bad; /* something in its section was complained about */
    struct config_policy policy;
    unsigned key_line[24]; /* line that set the key of that number in policy_keys; 0: none did */
};

struct config {
    struct config_daemon daemon;
    struct vm fallback; /* [default] */
    struct vm *vms;
    size_t n_vms;
};

/* ---- the keys ---- */

/* Limits are a table: name, meaning by kind, place, least, most. */
static const struct config_key daemon_keys[] = {
    {"interval", KIND_DURATION, offsetof(struct config_daemon, interval), 0.05, 60},
    {"segment", KIND_PATH, offsetof(struct config_daemon, segment), 1, CONFIG_PATH - 1},
    {"database", KIND_PATH, offsetof(struct config_daemon, database), 1, CONFIG_PATH - 1},
    {"control", KIND_PATH, offsetof(struct config_daemon, control), 1, 107},
    {"backend-domid", KIND_COUNT, offsetof(struct config_daemon, backend_domid), 0, KEYS_DOMID_MAX},
    {"history-detail", KIND_DURATION, offsetof(struct config_daemon, history_detail), 60, 3.6e6},
    {"history-keep", KIND_DURATION, offsetof(struct config_daemon, history_keep), 60, 3.6e6},
    {"history-size", KIND_MIB, offsetof(struct config_daemon, history_size), 8, 1048576},
};

#define DAEMON_KEYS (sizeof(daemon_keys) / sizeof(daemon_keys[0]))

#define POLICY(field) offsetof(struct config_policy, field)
enum policy_key {
    POLICY_DELAY,
    POLICY_SCOPE,
    POLICY_PERCENTILE,
    POLICY_OBJECTIVE,
    POLICY_UTILISATION,
    POLICY_PACKETS_MIN,
    POLICY_PACKETS_MAX,
    POLICY_TIMEOUT_MIN,
    POLICY_TIMEOUT_MAX,
    POLICY_BYTES_MAX,
    POLICY_RX_PACKETS,
    POLICY_RX_TIMEOUT,
    POLICY_TX_PACKETS,
    POLICY_TX_TIMEOUT,
    POLICY_ATTACH,
    POLICY_BRIDGE,
    POLICY_KEYS
};
#define TIMEOUT_MAX (KEYS_TIMEOUT_US_MAX * 1e-6)
static const struct config_key policy_keys[POLICY_KEYS] = {
    [POLICY_DELAY] = {"delay", KIND_DELAY, POLICY(promise.delay), 1e-6, 10},
    [POLICY_SCOPE] = {"scope", KIND_SCOPE, POLICY(promise.scope), 0, 0},
    [POLICY_PERCENTILE] = {"percentile", KIND_PERCENTILE, POLICY(promise.percentile), 50, 99.9},
    [POLICY_OBJECTIVE] = {"objective", KIND_OBJECTIVE, POLICY(objective), 0, 0},
    [POLICY_UTILISATION] = {"utilisation", KIND_SHARE, POLICY(utilisation_max), 0.05, 0.95},
    [POLICY_PACKETS_MIN] = {"min-packets", KIND_COUNT, POLICY(limits.packets_min), 1,
                            STREAM_SIZE_MAX},
    [POLICY_PACKETS_MAX] = {"max-packets", KIND_COUNT, POLICY(limits.packets_max), 1,
                            STREAM_SIZE_MAX},
    [POLICY_TIMEOUT_MIN] = {"min-timeout", KIND_DURATION, POLICY(limits.timeout_min), 1e-6,
                            TIMEOUT_MAX},
    [POLICY_TIMEOUT_MAX] = {"max-timeout", KIND_DURATION, POLICY(limits.timeout_max), 1e-6,
                            TIMEOUT_MAX},
    [POLICY_BYTES_MAX] = {"max-bytes", KIND_BYTES, POLICY(limits.bytes_max), KEYS_BYTES_MIN,
                          KEYS_BYTES_MAX},
    [POLICY_RX_PACKETS] = {"rx-packets", KIND_COUNT, POLICY(fixed_size[DIRECTION_RX].packets), 1,
                           STREAM_SIZE_MAX},
    [POLICY_RX_TIMEOUT] = {"rx-timeout", KIND_DURATION, POLICY(fixed_size[DIRECTION_RX].timeout),
                           1e-6, TIMEOUT_MAX},
    [POLICY_TX_PACKETS] = {"tx-packets", KIND_COUNT, POLICY(fixed_size[DIRECTION_TX].packets), 1,
                           STREAM_SIZE_MAX},
    [POLICY_TX_TIMEOUT] = {"tx-timeout", KIND_DURATION, POLICY(fixed_size[DIRECTION_TX].timeout),
                           1e-6, TIMEOUT_MAX},
    [POLICY_ATTACH] = {"attach", KIND_SWITCH, POLICY(attach), 0, 0},
    [POLICY_BRIDGE] = {"bridge", KIND_BRIDGE, POLICY(bridge), 1, DEVICE_BRIDGE - 1},
};
_Static_assert(POLICY_KEYS <= sizeof(((struct vm *)0)->key_line) / sizeof(unsigned),
               "a place for each key's line");

/* ---- the file ---- */

enum section { SECTION_NONE, SECTION_DAEMON, SECTION_DEFAULT, SECTION_VM, SECTION_BAD };

struct reading {
    FILE *file;
    const char *path;
    unsigned line;
    config_complain *complain;
    void *context;
    unsigned complaints;
    bool out_of_memory;
    struct config *config;
    enum section section;
    struct vm *vm; /* of the section, where it is a guest's */
    unsigned daemon_line[DAEMON_KEYS];
    unsigned section_line[SECTION_BAD]; /* where [daemon] and [default] began */
};

static void complain_at(struct reading *reading, unsigned line, const char *what)
{
    reading->complaints++;
    reading->complain(reading->context, reading->path, line, what);
}

static void complain(struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct reading *reading, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    complain_at(reading, reading->line, text);
}

static struct vm *vm_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_vms; i++)
        if (strcmp(config->vms[i].name, name) == 0)
            return &config->vms[i];
    return NULL;
}

static struct vm *vm_add(struct reading *reading, const char *name)
{
    struct config *config = reading->config;
    struct vm *vms = reallocarray(config->vms, config->n_vms + 1, sizeof(*vms));

    if (!vms) {
        reading->out_of_memory = true;
        return NULL;
    }
    config->vms = vms;
    struct vm *vm = &vms[config->n_vms++];
    memset(vm, 0, sizeof(*vm));
    snprintf(vm->name, sizeof(vm->name), "%s", name);
    vm->line = reading->line;
    return vm;
}

static bool name_is_valid(const char *name)
{
    if (!*name || strlen(name) >= CONFIG_NAME)
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.+:@", *c))
            return false;
    return true;
}

static enum section section_vm(struct reading *reading, const char *name)
{
    if (!name_is_valid(name)) {
        complain(reading, "[vm %.60s]: not a guest's name (letters, digits, _-.+:@)", name);
        return SECTION_BAD;
    }
    struct vm *there = vm_find(reading->config, name);
    if (there) {
        complain(reading, "[vm %s] is there already, at line %u", name, there->line);
        return SECTION_BAD;
    }
    if (reading->config->n_vms >= VM_MAX) {
        complain(reading, "more than %u guests", VM_MAX);
        return SECTION_BAD;
    }
    reading->vm = vm_add(reading, name);
    return reading->vm ? SECTION_VM : SECTION_BAD;
}

static enum section section_single(struct reading *reading, enum section section, const char *name)
{
    if (reading->section_line[section]) {
        complain(reading, "[%s] is there already, at line %u", name,
                 reading->section_line[section]);
        return SECTION_BAD;
    }
    reading->section_line[section] = reading->line;
    return section;
}

static enum section section_begin(struct reading *reading, const char *name)
{
    if (strcmp(name, "daemon") == 0)
        return section_single(reading, SECTION_DAEMON, name);
    if (strcmp(name, "default") == 0) {
        reading->vm = &reading->config->fallback;
        return section_single(reading, SECTION_DEFAULT, name);
    }
    if (strncmp(name, "vm", 2) == 0 && isblank((unsigned char)name[2]))
        return section_vm(reading, name + 2 + strspn(name + 2, " \t"));
    complain(reading, "unknown section [%.60s] (there are [daemon], [default], [vm NAME])", name);
    return SECTION_BAD;
}

/* inih says nothing of sections without keys, so they are looked at before it gets the line. */
static void section_line(struct reading *reading, const char *text)
{
    const char *end = strchr(text, ']');
    char name[CONFIG_LINE + 1];

    snprintf(name, sizeof(name), "%.*s", (int)(end - text - 1), text + 1);
    reading->section = section_begin(reading, name);
}

/* Whether the line was taken. */
static bool key_line(struct reading *reading, const struct config_key *keys, size_t n,
                     unsigned *lines, void *base, const char *name, const char *value)
{
    struct config_complaint why;
    int at = config_key_find(keys, n, name);

    if (at < 0)
        complain(reading, "unknown key '%.60s'", name);
    else if (lines[at])
        complain(reading, "'%s' is there already, at line %u", name, lines[at]);
    else {
        lines[at] = reading->line;
        if (config_key_set(&keys[at], base, value, &why) == 0)
            return true;
        complain(reading, "%s", why.text);
    }
    return false;
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    (void)section;

    switch (reading->section) {
    case SECTION_NONE:
        complain(reading, "'%.60s' stands before any section", name);
        break;
    case SECTION_DAEMON:
        key_line(reading, daemon_keys, DAEMON_KEYS, reading->daemon_line, &reading->config->daemon,
                 name, value);
        break;
    case SECTION_DEFAULT:
    case SECTION_VM:
        reading->vm->bad |= !key_line(reading, policy_keys, POLICY_KEYS, reading->vm->key_line,
                                      &reading->vm->policy, name, value);
        break;
    case SECTION_BAD: /* complained about at its head */
        break;
    }
    return 1;
}

/* inih would name only the first such line. */
static bool line_is_ours(const char *text)
{
    if (*text == '[')
        return strchr(text, ']') != NULL;
    return !*text || *text == '#' || *text == ';' || strpbrk(text, "=:");
}

/*
 * Gives inih one line: without leading blanks, since it would take an indented
 * line for more of the value above it.
 */
static char *line_next(char *ret, int size, void *stream)
{
    struct reading *reading = stream;
    char line[CONFIG_LINE_SIZE];
    const char *wrong;

    if (config_line_read(reading->file, line, &wrong) < 0)
        return NULL;
    reading->line++;
    if (wrong)
        complain(reading, "%s", wrong);
    const char *start = line + (reading->line == 1 && !strncmp(line, BYTE_ORDER_MARK, 3) ? 3 : 0);
    const char *text = start + strspn(start, " \t\r\f\v");
    if (!line_is_ours(text)) {
        complain(reading, "'%.60s' is neither '[section]' nor 'key = value'", text);
        text = "";
    } else if (*text == '[')
        section_line(reading, text);
    snprintf(ret, (size_t)size, "%s\n", text);
    return ret;
}

/* ---- what no single line shows ---- */

static bool policy_set(const struct vm *vm, enum policy_key key)
{
    return vm->key_line[key] != 0;
}

static void policy_inherit(struct vm *vm, const struct vm *from)
{
    for (size_t i = 0; i < POLICY_KEYS; i++)
        if (!policy_set(vm, i))
            config_key_copy(&policy_keys[i], &vm->policy, &from->policy);
}

static void check_fixed(struct reading *reading, struct vm *vm, enum direction direction)
{
    static const enum policy_key packets[] = {POLICY_RX_PACKETS, POLICY_TX_PACKETS};
    static const enum policy_key timeout[] = {POLICY_RX_TIMEOUT, POLICY_TX_TIMEOUT};
    const struct config_policy *policy = &vm->policy;
    bool has_packets = policy->fixed_size[direction].packets > 0;
    bool has_timeout = policy->fixed_size[direction].timeout > 0;
    char text[160];

    if (has_packets != has_timeout) {
        enum policy_key there = has_packets ? packets[direction] : timeout[direction];
        enum policy_key missing = has_packets ? timeout[direction] : packets[direction];
        snprintf(text, sizeof(text), "a fixed size needs '%s' beside '%s'",
                 policy_keys[missing].name, policy_keys[there].name);
        complain_at(reading, vm->key_line[there] ? vm->key_line[there] : vm->line, text);
    }
    vm->policy.fixed[direction] = has_packets && has_timeout;
}

static void check_order(struct reading *reading, const struct vm *vm, enum policy_key low,
                        enum policy_key high, bool in_order)
{
    char text[128];

    if (in_order)
        return;
    snprintf(text, sizeof(text), "'%s' is above '%s'", policy_keys[low].name,
             policy_keys[high].name);
    unsigned line = vm->key_line[low] > vm->key_line[high] ? vm->key_line[low] : vm->key_line[high];
    complain_at(reading, line ? line : vm->line, text);
}

static void check_policy(struct reading *reading, struct vm *vm)
{
    const struct size_limits *limits = &vm->policy.limits;

    if (vm->bad) /* what is missing here was refused, and would be complained about twice */
        return;
    check_order(reading, vm, POLICY_PACKETS_MIN, POLICY_PACKETS_MAX,
                limits->packets_min <= limits->packets_max);
    check_order(reading, vm, POLICY_TIMEOUT_MIN, POLICY_TIMEOUT_MAX,
                limits->timeout_min <= limits->timeout_max);
    check_fixed(reading, vm, DIRECTION_RX);
    check_fixed(reading, vm, DIRECTION_TX);
}

static void check(struct reading *reading)
{
    struct config *config = reading->config;
    const struct config_daemon *daemon = &config->daemon;

    check_policy(reading, &config->fallback);
    for (size_t i = 0; i < config->n_vms; i++) {
        policy_inherit(&config->vms[i], &config->fallback);
        check_policy(reading, &config->vms[i]);
    }
    if (daemon->history_detail > daemon->history_keep) {
        int detail = config_key_find(daemon_keys, DAEMON_KEYS, "history-detail");
        int keep = config_key_find(daemon_keys, DAEMON_KEYS, "history-keep");
        unsigned line = reading->daemon_line[detail];
        complain_at(reading, line ? line : reading->daemon_line[keep],
                    "'history-detail' is above 'history-keep'");
    }
}

/* ---- */

struct config *config_defaults(void)
{
    struct config *config = calloc(1, sizeof(*config));

    if (!config)
        return NULL;
    config->daemon = (struct config_daemon){
        .interval = 1,
        .segment = "/run/xenagg/segment",
        .database = "/var/lib/xenagg/history.db",
        .control = "/run/xenagg/control",
        .history_detail = 24 * 3600,
        .history_keep = 30 * 24 * 3600,
        .history_size = 1024ull << 20,
    };
    config->fallback.policy = (struct config_policy){
        .promise = {.delay = 600e-6, .percentile = 0, .scope = SCOPE_FORWARDING},
        .utilisation_max = CONFIG_UTILISATION_MAX,
        .limits = {.packets_min = 1,
                   .packets_max = 1024,
                   .timeout_min = 10e-6,
                   .timeout_max = 10e-3,
                   .bytes_max = 65536},
    };
    return config;
}

static void parse(struct reading *reading)
{
    int error = ini_parse_stream(line_next, reading, handle, reading);

    if (error > 0)
        complain_at(reading, (unsigned)error, "neither '[section]' nor 'key = value'");
    else if (error == -2)
        reading->out_of_memory = true;
    if (ferror(reading->file))
        complain(reading, "reading stopped: %s", strerror(errno));
}

/* A directory opens and then reads as nothing; a FIFO would block. */
static int file_open(const char *path, FILE **ret)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
        return -EINVAL;
    *ret = fopen(path, "re");
    return *ret ? 0 : -errno;
}

int config_load(const char *path, config_complain *complain_to, void *context, struct config **ret)
{
    struct reading reading = {.path = path, .complain = complain_to, .context = context};
    int error = file_open(path, &reading.file);

    if (error) {
        complain_to(context, path, 0, strerror(-error));
        return error;
    }
    reading.config = config_defaults();
    if (reading.config) {
        parse(&reading);
        check(&reading);
    }
    fclose(reading.file);
    if (!reading.config || reading.out_of_memory)
        error = -ENOMEM;
    else if (reading.complaints)
        error = -EINVAL;
    if (error)
        config_free(reading.config);
    else
        *ret = reading.config;
    return error;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->vms);
    free(config);
}

const struct config_daemon *config_daemon(const struct config *config)
{
    return &config->daemon;
}

struct config_daemon *config_daemon_change(struct config *config)
{
    return &config->daemon;
}

const struct config_policy *config_policy(const struct config *config, const char *name)
{
    const struct vm *vm = vm_find(config, name);
    return vm ? &vm->policy : &config->fallback.policy;
}

bool config_names(const struct config *config, const char *name)
{
    return vm_find(config, name) != NULL;
}

const char *config_vm(const struct config *config, size_t index)
{
    return index < config->n_vms ? config->vms[index].name : NULL;
}
