// Administration: topics (passed on to the controller), configs, log folders.
#ifndef SILLOK_BROKER_API_ADMIN_H_
#define SILLOK_BROKER_API_ADMIN_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// REQUEST_TIMED_OUT in each topic when no controller answered: it may happen
// still.
void CreateTopics(const BrokerContext& context, v1::CreateTopicsRequest request,
                  Done<v1::CreateTopicsResponse> done);
void DeleteTopics(const BrokerContext& context, v1::DeleteTopicsRequest request,
                  Done<v1::DeleteTopicsResponse> done);

v1::DescribeConfigsResponse DescribeConfigs(
    const BrokerContext& context, const v1::DescribeConfigsRequest& request);
v1::DescribeLogDirsResponse DescribeLogDirs(
    const BrokerContext& context, const v1::DescribeLogDirsRequest& request);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_ADMIN_H_
