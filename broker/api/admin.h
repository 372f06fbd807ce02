// All of administration.
#ifndef SILLOK_BROKER_API_ADMIN_H_
#define SILLOK_BROKER_API_ADMIN_H_

#include "broker/api/config_admin.h"
#include "broker/api/record_admin.h"
#include "broker/api/topic_admin.h"

#endif  // SILLOK_BROKER_API_ADMIN_H_
