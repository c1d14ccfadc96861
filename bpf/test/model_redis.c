// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The model of one end of a connection (model.c), with Redis. */
#define MODEL "model_redis.h"
#include "model.c"
