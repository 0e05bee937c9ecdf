// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A backend's and a guest's end in one process: shared pages, a channel between
 * them, and for each a port whose other side the test holds.
 */
#ifndef XENAGG_TESTS_UNIT_DATAPATH_PAIR_H
#define XENAGG_TESTS_UNIT_DATAPATH_PAIR_H

#include <stdint.h>

#include "common/container.h"
#include "common/hv.h"
#include "datapath/control_page.h"
#include "datapath/port.h"
#include "datapath/tuning.h"

#define PAIR_PAGES (1u << RING_ORDER_MIN)
#define PAIR_BYTES (PAIR_PAGES * RING_PAGE)

/* What one end has. */
struct pair_end {
    struct hv *hv;
    struct hv_channel *channel;
    struct hv_pages *control, *rx, *tx;
    struct port *port;
    int wire; /* the test's side of the port */
    tuning_word tuning;
};

struct pair {
    char dir[32];
    struct pair_end backend, guest;
    struct control_page *page; /* as the guest sees it */
};

/* cmocka's setup and teardown: *state is a pair. */
int pair_setup(void **state);
int pair_teardown(void **state);

/* A second guest of the same backend; `pair` for the teardown is another one. */
int pair_make(struct hv *backend, const char *dir, uint32_t domid, struct pair **ret);
void pair_free(struct pair *pair);

void pair_tune(struct pair_end *end, uint32_t packets, uint32_t timeout_us, uint32_t bytes);

/* A frame of `length` bytes (at least 14) that says its number and can be told from all others. */
void frame_make(uint8_t *frame, uint32_t length, uint32_t number);
/* Hands a frame to the port. True: it was taken. */
bool wire_send(const struct pair_end *end, const uint8_t *frame, uint32_t length);
/* The next frame that came out of the port, or 0: none waits. */
uint32_t wire_take(const struct pair_end *end, uint8_t *ret_frame);

/* The next container in a ring, copied out and released as a peer does. Its length, 0: none. */
uint32_t ring_take(struct ring *ring, uint8_t *ret_container);

#endif
