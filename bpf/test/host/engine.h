/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The kernel side on the host: everything but the places where it is hooked in. */
#ifndef FATHOM_HOST_ENGINE_H
#define FATHOM_HOST_ENGINE_H

#include "../../taps/data.h"
#include "../../taps/sweep.h"
#include "../../taps/tcp.h"

#endif
