// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the programs of xenagg and of Debian's Xen packages are: the build
 * tree that the caller itself runs from, else where they get installed.
 */
#ifndef XENAGG_SANDBOX_PROGRAMS_H
#define XENAGG_SANDBOX_PROGRAMS_H

#define PROGRAMS_PATH 512

/*
 * Path of a program or library of ours ("xenagg-netback", "xenaggd",
 * "xenagg-preload-xenstored.so"). XENAGG_PROGRAMS names a folder that is looked
 * into first. 0 or -ENOENT.
 */
int programs_find(const char *name, char ret_path[static PROGRAMS_PATH]);

/* The real xenstored, of any version that is installed. 0 or -ENOENT. */
int programs_find_xenstored(char ret_path[static PROGRAMS_PATH]);

#endif
