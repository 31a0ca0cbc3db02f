/* SPDX-License-Identifier: GPL-2.0-only */
/* For compat.h; nothing in it is needed here. */
