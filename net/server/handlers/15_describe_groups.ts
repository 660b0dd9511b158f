/**
 * DescribeGroups: what groups look like. Owns how a group that does not exist
 * is told, which changed with version 6.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  DESCRIBE_GROUPS,
  type DescribeGroupsRequest,
  type DescribeGroupsResponse,
} from "../../wire/15_describe_groups.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import { withGroupOperations } from "../services.ts";

/** First version with an error for groups that don't exist. */
const MISSING_GROUP_VERSION = 6;

type GroupAnswer = NonNullable<DescribeGroupsResponse["groups"]>[number];

/** The handler of DescribeGroups. */
export function describeGroupsHandler(groups: Groups): HandlerEntry {
  async function describe(
    groupId: string,
    apiVersion: number,
  ): Promise<GroupAnswer> {
    const { group, isOther } = await groups.ask({
      type: "DescribeGroup",
      groupId,
    });
    if (group === undefined) {
      const why = isOther ? "is not a classic group" : "not found";
      return {
        groupId,
        groupState: "Dead",
        ...apiVersion >= MISSING_GROUP_VERSION
          ? {
            errorCode: ERRORS.GROUP_ID_NOT_FOUND,
            errorMessage: `Group ${groupId} ${why}.`,
          }
          : { errorCode: ERRORS.NONE },
      };
    }
    return {
      groupId,
      errorCode: ERRORS.NONE,
      groupState: group.state,
      protocolType: group.protocolType,
      protocolData: group.protocolData,
      members: group.members.map(({ metadata, assignment, ...member }) => ({
        ...member,
        memberMetadata: metadata,
        memberAssignment: assignment,
      })),
    };
  }

  async function describeOrRefuse(
    groupId: string,
    apiVersion: number,
  ): Promise<GroupAnswer> {
    if (groupId === "") {
      return { groupId, errorCode: ERRORS.INVALID_GROUP_ID };
    }
    try {
      return await describe(groupId, apiVersion);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { groupId, errorCode: error.code };
    }
  }

  async function handle(
    { groups: groupIds, includeAuthorizedOperations }: DescribeGroupsRequest,
    { apiVersion }: RequestContext,
  ): Promise<DescribeGroupsResponse> {
    const answers = await Promise.all(
      groupIds.map((groupId) => describeOrRefuse(groupId, apiVersion)),
    );
    return {
      groups: includeAuthorizedOperations
        ? answers.map(withGroupOperations)
        : answers,
    };
  }

  return handles(DESCRIBE_GROUPS, handle);
}
