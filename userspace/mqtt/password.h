/* SPDX-License-Identifier: GPL-2.0-only */
/* The password for the broker. */
#ifndef LASTLINE_PASSWORD_H
#define LASTLINE_PASSWORD_H

const char *password_read(const char *name, char **password);
void password_free(char *password);

#endif /* LASTLINE_PASSWORD_H */
