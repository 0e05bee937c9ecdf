// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real xenstored, in a folder of its own, on a machine without Xen: with
 * the preload library that answers for the hypervisor. It starts empty.
 */
#ifndef XENAGG_SANDBOX_XENSTORED_H
#define XENAGG_SANDBOX_XENSTORED_H

#include "sandbox/process.h"

/*
 * Starts it with its socket `folder`/socket (what XENSTORED_PATH should say)
 * and waits until it answers. Its output goes to `folder`/xenstored.log. 0 or
 * -errno (-ENOENT: xenstored is not installed).
 */
int xenstored_start(const char *folder, struct process **ret);

/* Makes this process and the children started from now on use the store in `folder`. */
int xenstored_use(const char *folder);

#endif
