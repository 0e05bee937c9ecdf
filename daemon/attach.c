// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/attach.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/device.h"
#include "common/log.h"

#define DOMAINS "/local/domain"

/* What the configuration says of one guest. */
struct rule {
    char name[CONFIG_NAME]; /* empty: of all that no other rule names */
    char bridge[DEVICE_BRIDGE];
    bool attach;
};

struct attacher {
    uint32_t backend_domid;
    pthread_mutex_t lock; /* of the rules */
    struct rule *rules;   /* the last one is everybody's */
    size_t n_rules;
    bool anew;
    uint32_t *settled; /* domains that need nothing any more, as long as they live */
    size_t n, room;
    uint32_t refused; /* the domain whose failure was said last */
    bool due;
};

#define NOBODY UINT32_MAX

int attacher_create(uint32_t backend_domid, struct attacher **ret)
{
    struct attacher *attacher = calloc(1, sizeof(*attacher));

    if (!attacher)
        return -ENOMEM;
    attacher->backend_domid = backend_domid;
    attacher->refused = NOBODY;
    pthread_mutex_init(&attacher->lock, NULL);
    *ret = attacher;
    return 0;
}

void attacher_destroy(struct attacher *attacher)
{
    if (!attacher)
        return;
    pthread_mutex_destroy(&attacher->lock);
    free(attacher->settled);
    free(attacher->rules);
    free(attacher);
}

static struct rule rule_of(const char *name, const struct config_policy *policy)
{
    struct rule rule = {.attach = policy->attach};

    memcpy(rule.name, name, strlen(name) + 1);
    memcpy(rule.bridge, policy->bridge, sizeof(rule.bridge));
    return rule;
}

int attacher_configure(struct attacher *attacher, const struct config *config)
{
    size_t n = 0;

    while (config_vm(config, n))
        n++;
    struct rule *rules = calloc(n + 1, sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        rules[i] = rule_of(config_vm(config, i), config_policy(config, config_vm(config, i)));
    rules[n] = rule_of("", config_policy(config, ""));
    pthread_mutex_lock(&attacher->lock);
    free(attacher->rules);
    attacher->rules = rules;
    attacher->n_rules = n + 1;
    attacher->anew = true;
    pthread_mutex_unlock(&attacher->lock);
    return 0;
}

/* A copy; nobody is attached before there are rules. */
static struct rule rule_find(struct attacher *attacher, const char *name)
{
    struct rule found = {.attach = false};

    pthread_mutex_lock(&attacher->lock);
    for (size_t i = 0; i < attacher->n_rules; i++) {
        const struct rule *rule = &attacher->rules[i];
        if (!*rule->name || strcmp(rule->name, name) == 0) {
            found = *rule;
            break;
        }
    }
    pthread_mutex_unlock(&attacher->lock);
    return found;
}

/* Other rules may be for domains that were settled before. */
static void rules_take(struct attacher *attacher)
{
    pthread_mutex_lock(&attacher->lock);
    if (attacher->anew) {
        attacher->n = 0;
        attacher->due = true;
    }
    attacher->anew = false;
    pthread_mutex_unlock(&attacher->lock);
}

void attacher_event(struct attacher *attacher)
{
    attacher->due = true;
}

/* ---- which domains are settled ---- */

static bool is_settled(const struct attacher *attacher, uint32_t domid)
{
    for (size_t i = 0; i < attacher->n; i++)
        if (attacher->settled[i] == domid)
            return true;
    return false;
}

/* Without memory it is looked at again: no harm, for what is attached is left alone. */
static void settle(struct attacher *attacher, uint32_t domid)
{
    if (attacher->n == attacher->room) {
        size_t room = attacher->room ? 2 * attacher->room : 16;
        uint32_t *settled = reallocarray(attacher->settled, room, sizeof(*settled));
        if (!settled)
            return;
        attacher->settled = settled;
        attacher->room = room;
    }
    attacher->settled[attacher->n++] = domid;
}

static bool is_listed(char *const *names, unsigned count, uint32_t domid)
{
    unsigned long listed;

    for (unsigned i = 0; i < count; i++)
        if (keys_number(names[i], 0, KEYS_DOMID_MAX, &listed) == 0 && listed == domid)
            return true;
    return false;
}

/* A number may come again, for another domain. */
static void forget_gone(struct attacher *attacher, char *const *names, unsigned count)
{
    size_t kept = 0;

    for (size_t i = 0; i < attacher->n; i++)
        if (is_listed(names, count, attacher->settled[i]))
            attacher->settled[kept++] = attacher->settled[i];
    attacher->n = kept;
    if (!is_listed(names, count, attacher->refused))
        attacher->refused = NOBODY;
}

/* ---- one domain ---- */

/* The lower half of Xen's range, as for addresses that are made up: by FNV-1a of the name. */
static void mac_of(const char *name, char ret[static MAC_TEXT])
{
    uint32_t hash = 2166136261u;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    const uint8_t mac[6] = {0x00, 0x16, 0x3e, hash >> 16 & 0x7f, hash >> 8 & 0xff, hash & 0xff};
    mac_format(mac, ret);
}

/* True: it has what it was to be given. */
static bool attach(struct attacher *attacher, struct store *store, uint32_t domid, const char *name,
                   const struct rule *rule)
{
    struct device device = {.interface = {domid, ATTACH_HANDLE},
                            .backend_domid = attacher->backend_domid};

    memcpy(device.bridge, rule->bridge, sizeof(device.bridge));
    mac_of(name, device.mac);
    int error = device_attach(store, &device);
    if (error == -EEXIST)
        return true;
    if (!error)
        log_guest(LOG_NOTICE, "attach", domid, ATTACH_HANDLE, "%s: attached, %s, bridge %s", name,
                  device.mac, *device.bridge ? device.bridge : "none");
    else if (attacher->refused != domid)
        log_guest(LOG_ERR, "attach", domid, ATTACH_HANDLE, "%s: cannot be attached: %s; trying on",
                  name, strerror(-error));
    if (error)
        attacher->refused = domid;
    return !error;
}

/* True: settled. xl writes a domain's name before it introduces it to the store. */
static bool domain_look(struct attacher *attacher, struct store *store, uint32_t domid)
{
    char name[DEVICE_NAME];

    if (domid == attacher->backend_domid || domid == 0)
        return true;
    if (!*device_vm_name(store, domid, name))
        return false;
    struct rule rule = rule_find(attacher, name);
    return !rule.attach || attach(attacher, store, domid, name, &rule);
}

void attacher_run(struct attacher *attacher, struct store *store)
{
    unsigned long domid;
    unsigned count = 0;

    rules_take(attacher);
    if (!attacher->due)
        return;
    char **names = store_list(store, DOMAINS, &count);
    if (!names)
        return;
    attacher->due = false;
    forget_gone(attacher, names, count);
    for (unsigned i = 0; i < count; i++) {
        if (keys_number(names[i], 0, KEYS_DOMID_MAX, &domid) < 0 ||
            is_settled(attacher, (uint32_t)domid))
            continue;
        if (domain_look(attacher, store, (uint32_t)domid))
            settle(attacher, (uint32_t)domid);
        else
            attacher->due = true;
    }
    free(names);
}
