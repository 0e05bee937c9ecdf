// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypervisor interface on Xen, with this file in the place of libxenevtchn
 * and libxengnttab: what it asks of them, and what it makes of their answers.
 * tests/xen runs it on Xen itself.
 */
#include "tests/unit/common/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "common/hv.h"

#define GUEST 5u
#define OFFERED_PORT 17
#define BOUND_PORT 23
#define REFERENCE 900u
#define OWN_OFFSET 8u
#define PEER_OFFSET 9u

/* --- the libraries ------------------------------------------------------- */

struct xenevtchn_handle {
    int fd, notified;
    bool masked;
};

struct xengntdev_handle {
    char unused;
};

/* What they are to answer, and what they were asked. */
static struct fake {
    int missing_errno; /* of the devices; 0: they are there */
    int refusal_errno; /* of binding, sharing and mapping */
    int events, tables, regions;
    uint32_t notify_offset, notify_port, domid;
    _Alignas(HV_PAGE) uint8_t memory[4 * HV_PAGE];
} fake;

static bool refused(int error)
{
    errno = error;
    return error != 0;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    assert_non_null(logger);
    assert_int_equal(flags, 0);
    if (refused(fake.missing_errno))
        return NULL;
    xenevtchn_handle *handle = calloc(1, sizeof(*handle));
    assert_non_null(handle);
    handle->fd = eventfd(0, EFD_CLOEXEC);
    fake.events++;
    return handle;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
    close(handle->fd);
    free(handle);
    fake.events--;
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
    return handle->fd;
}

/* The handle that was bound last: where the test makes events. */
static xenevtchn_handle *latest;

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle, uint32_t domid)
{
    latest = handle;
    fake.domid = domid;
    return refused(fake.refusal_errno) ? -1 : OFFERED_PORT;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid,
                                                     evtchn_port_t port)
{
    latest = handle;
    fake.domid = domid;
    assert_int_equal(port, OFFERED_PORT);
    return refused(fake.refusal_errno) ? -1 : BOUND_PORT;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
    assert_true(port == OFFERED_PORT || port == BOUND_PORT);
    handle->notified++;
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    uint64_t events;

    /* As the kernel's, it would wait. */
    assert_true(fcntl(handle->fd, F_GETFL) & O_NONBLOCK);
    if (read(handle->fd, &events, sizeof(events)) < 0)
        return -1;
    handle->masked = true;
    return OFFERED_PORT;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
    assert_int_equal(port, OFFERED_PORT);
    handle->masked = false;
    return 0;
}

/* As the kernel does: a masked port stays silent. */
static void event_make(void)
{
    uint64_t one = 1;

    assert_false(latest->masked);
    assert_int_equal(write(latest->fd, &one, sizeof(one)), sizeof(one));
}

static struct xengntdev_handle *table_open(void)
{
    if (refused(fake.missing_errno))
        return NULL;
    fake.tables++;
    return calloc(1, sizeof(struct xengntdev_handle));
}

static int table_close(struct xengntdev_handle *handle)
{
    fake.tables--;
    free(handle);
    return 0;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return table_open();
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return table_open();
}

int xengnttab_close(xengnttab_handle *handle)
{
    return table_close(handle);
}

int xengntshr_close(xengntshr_handle *handle)
{
    return table_close(handle);
}

static void *region_make(uint32_t domid, uint32_t offset, uint32_t port)
{
    if (refused(fake.refusal_errno))
        return NULL;
    fake.regions++;
    fake.domid = domid;
    fake.notify_offset = offset;
    fake.notify_port = port;
    return fake.memory;
}

static int region_end(void *address)
{
    assert_ptr_equal(address, fake.memory);
    fake.regions--;
    return 0;
}

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid, int count,
                            uint32_t *references, int writable)
{
    assert_non_null(handle);
    assert_true(writable);
    for (int i = 0; i < count; i++)
        references[i] = REFERENCE + 3 * (uint32_t)i; /* they need not follow each other */
    return region_make(domid, UINT32_MAX, UINT32_MAX);
}

void *xengntshr_share_page_notify(xengntshr_handle *handle, uint32_t domid, uint32_t *reference,
                                  int writable, uint32_t offset, evtchn_port_t port)
{
    assert_non_null(handle);
    assert_true(writable);
    *reference = REFERENCE;
    return region_make(domid, offset, port);
}

int xengntshr_unshare(xengntshr_handle *handle, void *address, uint32_t count)
{
    assert_non_null(handle);
    assert_true(count >= 1);
    return region_end(address);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t domid,
                                      uint32_t *references, int protection)
{
    (void)protection;
    assert_non_null(handle);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(references[i], REFERENCE + 3 * i);
    return region_make(domid, UINT32_MAX, UINT32_MAX);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *handle, uint32_t domid, uint32_t reference,
                                     int protection, uint32_t offset, evtchn_port_t port)
{
    (void)protection;
    assert_non_null(handle);
    assert_int_equal(reference, REFERENCE);
    return region_make(domid, offset, port);
}

int xengnttab_unmap(xengnttab_handle *handle, void *address, uint32_t count)
{
    assert_non_null(handle);
    assert_true(count >= 1);
    return region_end(address);
}

/* --- what every test has ------------------------------------------------- */

static int setup(void **state)
{
    struct hv *hv;

    memset(&fake, 0, sizeof(fake));
    if (hv_open("xen", 0, &hv))
        return -1;
    *state = hv;
    return fake.events; /* only asked whether the device is there */
}

/* Nothing is left open, shared or mapped. */
static int teardown(void **state)
{
    hv_close(*state);
    return fake.events || fake.tables || fake.regions;
}

static bool is_readable(struct hv_channel *channel)
{
    struct pollfd polled = {.fd = hv_channel_fd(channel), .events = POLLIN};

    return poll(&polled, 1, 0) == 1;
}

struct end {
    struct hv_channel *channel;
    struct hv_pages *control;
};

static struct hv_farewell farewell_by(struct hv_channel *channel)
{
    return (struct hv_farewell){
        .channel = channel, .own_offset = OWN_OFFSET, .peer_offset = PEER_OFFSET};
}

static struct end guest_end(struct hv *hv)
{
    struct end end;

    assert_int_equal(hv_channel_offer(hv, 0, &end.channel), 0);
    struct hv_farewell farewell = farewell_by(end.channel);
    assert_int_equal(hv_share(hv, 0, 1, &farewell, &end.control), 0);
    return end;
}

static void end_release(struct end *end)
{
    hv_pages_release(end->control);
    hv_channel_release(end->channel);
}

/* --- opening ------------------------------------------------------------- */

static void without_xen_it_does_not_open(void **state)
{
    struct hv *hv = NULL;

    (void)state;
    fake.missing_errno = ENOENT;
    assert_int_equal(hv_open("xen", 0, &hv), -ENODEV);
    fake.missing_errno = EACCES;
    assert_int_equal(hv_open("xen", 0, &hv), -EACCES);
    assert_null(hv);
    fake.missing_errno = 0;
}

static void a_spec_names_one_hypervisor(void **state)
{
    const char *const none[] = {"", "xen:", "xen:/tmp", "xe", "xenon", "local", "kvm", ":"};
    struct hv *hv = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(hv_open(none[i], 0, &hv), -EINVAL);
    assert_null(hv);
}

static void missing_grant_devices_are_no_missing_references(void **state)
{
    const uint32_t reference = REFERENCE;
    struct hv_pages *pages;

    fake.missing_errno = ENOENT;
    assert_int_equal(hv_share(*state, GUEST, 1, NULL, &pages), -ENODEV);
    assert_int_equal(hv_map(*state, GUEST, &reference, 1, NULL, &pages), -ENODEV);
    fake.missing_errno = 0;
    assert_int_equal(hv_share(*state, GUEST, 1, NULL, &pages), 0);
    hv_pages_release(pages);
}

/* --- pages --------------------------------------------------------------- */

static void rings_are_shared_and_mapped(void **state)
{
    const uint32_t references[] = {REFERENCE, REFERENCE + 3, REFERENCE + 6};
    struct hv_pages *shared, *mapped;

    assert_int_equal(hv_share(*state, 0, 3, NULL, &shared), 0);
    assert_int_equal(hv_pages_count(shared), 3);
    assert_memory_equal(hv_pages_references(shared), references, sizeof(references));
    assert_int_equal(hv_map(*state, GUEST, references, 3, NULL, &mapped), 0);
    assert_int_equal(fake.domid, GUEST);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(hv_pages_addresses(mapped)[i], fake.memory + i * HV_PAGE);
    hv_pages_release(mapped);
    hv_pages_release(shared);
}

static void refusals_say_why(void **state)
{
    const uint32_t reference = REFERENCE;
    struct hv_pages *pages;
    struct hv_channel *channel;

    fake.refusal_errno = EINVAL;
    assert_int_equal(hv_map(*state, GUEST, &reference, 1, NULL, &pages), -ENOENT);
    assert_int_equal(hv_channel_bind(*state, GUEST, OFFERED_PORT, &channel), -ENOENT);
    fake.refusal_errno = ESRCH;
    assert_int_equal(hv_channel_bind(*state, GUEST, OFFERED_PORT, &channel), -ENOENT);
    fake.refusal_errno = ENOSPC;
    assert_int_equal(hv_share(*state, 0, 4, NULL, &pages), -ENOSPC);
    assert_int_equal(hv_channel_offer(*state, 0, &channel), -ENOSPC);
}

/* What was said on standard error meanwhile; the caller frees it. */
static char *said_by_sharing(struct hv *hv, uint32_t count)
{
    char path[] = "/tmp/xenagg-hv-xen-XXXXXX", *text = calloc(1, 4096);
    int file = mkstemp(path), error = dup(STDERR_FILENO);
    struct hv_pages *pages;

    assert_true(file >= 0 && error >= 0 && text);
    dup2(file, STDERR_FILENO);
    int refused = hv_share(hv, 0, count, NULL, &pages);
    dup2(error, STDERR_FILENO);
    assert_int_equal(refused, -ENOSPC);
    assert_true(pread(file, text, 4095, 0) >= 0);
    close(error);
    close(file);
    unlink(path);
    return text;
}

static void a_limit_is_named_once(void **state)
{
    char *said;

    fake.refusal_errno = ENOSPC;
    said = said_by_sharing(*state, 4);
    assert_non_null(strstr(said, "/sys/module/xen_gntalloc/parameters/limit"));
    assert_non_null(strstr(said, "max_grant_frames"));
    free(said);
    said = said_by_sharing(*state, 4);
    assert_string_equal(said, "");
    free(said);
}

static void mappings_without_room_are_no_missing_references(void **state)
{
    const uint32_t references[] = {REFERENCE, REFERENCE + 3};
    struct hv_pages *pages;

    fake.refusal_errno = ENOSPC;
    assert_int_equal(hv_map(*state, GUEST, references, 2, NULL, &pages), -ENOSPC);
    fake.refusal_errno = ENOMEM;
    assert_int_equal(hv_map(*state, GUEST, references, 2, NULL, &pages), -ENOSPC);
}

static void only_one_page_carries_a_farewell(void **state)
{
    struct hv_channel *channel;
    struct hv_pages *pages;

    assert_int_equal(hv_channel_offer(*state, 0, &channel), 0);
    struct hv_farewell farewell = farewell_by(channel);
    assert_int_equal(hv_share(*state, 0, 2, &farewell, &pages), -EINVAL);
    assert_int_equal(hv_share(*state, 0, 0, NULL, &pages), -EINVAL);
    assert_int_equal(hv_share(*state, 0, HV_SHARE_MAX + 1, NULL, &pages), -EINVAL);
    hv_channel_release(channel);
}

/* --- channels ------------------------------------------------------------ */

static void events_are_taken_and_come_again(void **state)
{
    struct hv_channel *channel;

    assert_int_equal(hv_channel_offer(*state, 0, &channel), 0);
    assert_int_equal(hv_channel_port(channel), OFFERED_PORT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hv_channel_accept(channel), 0); /* nothing there: does not wait */
        event_make();
        assert_true(is_readable(channel));
        assert_int_equal(hv_channel_accept(channel), 0);
        assert_false(is_readable(channel));
    }
    hv_channel_notify(channel);
    assert_int_equal(latest->notified, 1);
    hv_channel_release(channel);
}

/* --- farewell ------------------------------------------------------------ */

static void the_kernel_is_asked_to_clear_our_byte(void **state)
{
    struct end end = guest_end(*state);

    assert_int_equal(fake.notify_offset, OWN_OFFSET);
    assert_int_equal(fake.notify_port, OFFERED_PORT);
    assert_int_equal(fake.memory[OWN_OFFSET], 1);
    assert_int_equal(fake.memory[PEER_OFFSET], 0);
    end_release(&end);
}

static void a_peer_that_has_not_come_is_not_gone(void **state)
{
    struct end end = guest_end(*state);

    event_make();
    assert_int_equal(hv_channel_accept(end.channel), 0);
    assert_int_equal(hv_channel_accept(end.channel), 0);
    end_release(&end);
}

static void a_peer_that_came_and_went_is_gone(void **state)
{
    struct end end = guest_end(*state);

    fake.memory[PEER_OFFSET] = 1;
    event_make();
    assert_int_equal(hv_channel_accept(end.channel), 0);
    fake.memory[PEER_OFFSET] = 0;
    event_make();
    assert_int_equal(hv_channel_accept(end.channel), -ECONNRESET);
    assert_int_equal(hv_channel_accept(end.channel), -ECONNRESET);
    end_release(&end);
}

static void the_backend_notices_without_having_seen_an_event(void **state)
{
    const uint32_t reference = REFERENCE;
    struct end end;

    assert_int_equal(hv_channel_bind(*state, GUEST, OFFERED_PORT, &end.channel), 0);
    struct hv_farewell farewell = farewell_by(end.channel);
    fake.memory[PEER_OFFSET] = 1;
    assert_int_equal(hv_map(*state, GUEST, &reference, 1, &farewell, &end.control), 0);
    assert_int_equal(fake.notify_port, BOUND_PORT); /* not the guest's number for it */
    assert_int_equal(fake.memory[OWN_OFFSET], 1);
    fake.memory[PEER_OFFSET] = 0;
    assert_int_equal(hv_channel_accept(end.channel), -ECONNRESET);
    end_release(&end);
}

static void what_a_dead_peer_shared_is_not_mapped(void **state)
{
    const uint32_t reference = REFERENCE;
    struct hv_channel *channel;
    struct hv_pages *control = NULL;

    assert_int_equal(hv_channel_bind(*state, GUEST, OFFERED_PORT, &channel), 0);
    struct hv_farewell farewell = farewell_by(channel);
    assert_int_equal(hv_map(*state, GUEST, &reference, 1, &farewell, &control), -ECONNRESET);
    assert_null(control);
    assert_int_equal(fake.regions, 0);
    assert_int_equal(hv_channel_accept(channel), 0); /* looks at nothing that is not there */
    hv_channel_release(channel);
}

static void either_may_be_released_first(void **state)
{
    struct end end = guest_end(*state);

    hv_channel_release(end.channel);
    hv_pages_release(end.control);
    end = guest_end(*state);
    hv_pages_release(end.control);
    assert_int_equal(hv_channel_accept(end.channel), 0);
    hv_channel_release(end.channel);
}

#define XEN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        XEN_TEST(without_xen_it_does_not_open),
        XEN_TEST(a_spec_names_one_hypervisor),
        XEN_TEST(missing_grant_devices_are_no_missing_references),
        XEN_TEST(rings_are_shared_and_mapped),
        XEN_TEST(refusals_say_why),
        XEN_TEST(a_limit_is_named_once),
        XEN_TEST(mappings_without_room_are_no_missing_references),
        XEN_TEST(only_one_page_carries_a_farewell),
        XEN_TEST(events_are_taken_and_come_again),
        XEN_TEST(the_kernel_is_asked_to_clear_our_byte),
        XEN_TEST(a_peer_that_has_not_come_is_not_gone),
        XEN_TEST(a_peer_that_came_and_went_is_gone),
        XEN_TEST(the_backend_notices_without_having_seen_an_event),
        XEN_TEST(what_a_dead_peer_shared_is_not_mapped),
        XEN_TEST(either_may_be_released_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
