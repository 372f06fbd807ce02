// DescribeGroups (15), ListGroups (16), DeleteGroups (42).
#include <string>
#include <utility>

#include "broker/kafka/authorized_operations.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "proto/kafka/group_admin.h"

namespace sillok::kafka_door {
namespace {

using kafka::DeleteGroupsRequest;
using kafka::DeleteGroupsResponse;
using kafka::DescribeGroupsRequest;
using kafka::DescribeGroupsResponse;
using kafka::ListGroupsRequest;
using kafka::ListGroupsResponse;

void HandleDescribeGroups(const Call& call, DescribeGroupsRequest request,
                          api::Done<DescribeGroupsResponse> done) {
  v1::DescribeGroupsRequest wanted;
  for (std::string& group : request.groups) {
    wanted.add_group_ids(std::move(group));
  }
  call.broker->groups->Describe(
      std::move(wanted),
      [operations = request.include_authorized_operations,
       done = std::move(done)](v1::DescribeGroupsResponse answer) {
        DescribeGroupsResponse response;
        for (v1::DescribedGroup& group : *answer.mutable_groups()) {
          auto& out = response.groups.emplace_back();
          out.error_code = Number(group.error_code());
          out.group_id = group.group_id();
          out.group_state = group.state();
          out.protocol_type = group.protocol_type();
          out.protocol_data = group.protocol_name();
          if (operations) out.authorized_operations = kGroupOperations;
          for (v1::DescribedMember& member : *group.mutable_members()) {
            out.members.push_back(
                {member.member_id(), NullIfEmpty(member.group_instance_id()),
                 member.client_id(), member.client_host(),
                 Bytes::FromString(std::move(*member.mutable_metadata())),
                 Bytes::FromString(std::move(*member.mutable_assignment()))});
          }
        }
        done(std::move(response));
      });
}

void HandleListGroups(const Call& call, ListGroupsRequest request,
                      api::Done<ListGroupsResponse> done) {
  v1::ListGroupsRequest wanted;
  for (std::string& state : request.states_filter) {
    wanted.add_states(std::move(state));
  }
  call.broker->groups->List(
      std::move(wanted),
      [done = std::move(done)](v1::ListGroupsResponse answer) {
        ListGroupsResponse response;
        response.error_code = Number(answer.error_code());
        for (const v1::ListedGroup& group : answer.groups()) {
          response.groups.push_back(
              {group.group_id(), group.protocol_type(), group.state(), ""});
        }
        done(std::move(response));
      });
}

void HandleDeleteGroups(const Call& call, DeleteGroupsRequest request,
                        api::Done<DeleteGroupsResponse> done) {
  v1::DeleteGroupsRequest wanted;
  for (std::string& group : request.groups_names) {
    wanted.add_group_ids(std::move(group));
  }
  call.broker->groups->DeleteGroups(
      std::move(wanted),
      [done = std::move(done)](v1::DeleteGroupsResponse answer) {
        DeleteGroupsResponse response;
        for (const v1::DeletedGroup& group : answer.groups()) {
          response.results.push_back(
              {group.group_id(), Number(group.error_code())});
        }
        done(std::move(response));
      });
}

}  // namespace

ApiHandlers GroupAdminHandlers() {
  return {
      {DescribeGroupsRequest::kInfo.api_key,
       Answered<DescribeGroupsRequest, DescribeGroupsResponse,
                HandleDescribeGroups>},
      {ListGroupsRequest::kInfo.api_key,
       Answered<ListGroupsRequest, ListGroupsResponse, HandleListGroups>},
      {DeleteGroupsRequest::kInfo.api_key,
       Answered<DeleteGroupsRequest, DeleteGroupsResponse,
                HandleDeleteGroups>}};
}

}  // namespace sillok::kafka_door
