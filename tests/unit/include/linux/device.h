/* SPDX-License-Identifier: GPL-2.0-only */
/* For compat.h, which needs nothing from it here. */
