/* A secret that is no random text: a private key and a self-signed certificate of it, for services that know each other by it. */
#ifndef MILL_SECRET_CERTIFICATE_H
#define MILL_SECRET_CERTIFICATE_H

#include "base/base.h"

/*
 * PEM: a key of the curve P-256 (PKCS 8), then its X.509 certificate, good for 20 years, for servers, clients and as
 * the authority that both are checked against: who has the one text can be all three.  Owned; wiped by
 * mill_secret_free().
 */
int mill_certificate_make(const char *name, char **ret, struct mill_error *err);

#endif
