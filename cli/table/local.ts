/**
 * Commands that ask no cluster: settings, the shell, the manual.
 *
 * @module
 */
import type { ArgumentSpec, CommandSpec } from "../command.ts";
import { TOPIC_FLAG } from "./flags.ts";

const PROFILE_NAME: ArgumentSpec = {
  name: "NAME",
  min: 1,
  max: 1,
  brief: "its name",
};
const PROFILE_JSON = '{"name","brokers","current"}';

/** Named settings. */
export const PROFILES: readonly CommandSpec[] = [
  {
    path: "profile create",
    summary: "keep -b and -X under a name, and use them from now on",
    arguments: PROFILE_NAME,
    flags: [TOPIC_FLAG],
    examples: [
      {
        line: "kf profile create stage -b stage-1:9092 -X client.id=me",
        does: "kf topic list now asks stage-1",
      },
    ],
    json: PROFILE_JSON,
    load: () => import("../commands/profile_create.ts"),
  },
  {
    path: "profile list",
    summary: "list profiles, and say which is in use",
    flags: [],
    examples: [{ line: "kf profile list", does: "all of them" }],
    json: `[${PROFILE_JSON}]`,
    load: () => import("../commands/profile_list.ts"),
  },
  {
    path: "profile use",
    summary: "use another profile from now on",
    arguments: { ...PROFILE_NAME, completes: "profile" },
    flags: [],
    examples: [{ line: "kf profile use stage", does: "until the next use" }],
    json: PROFILE_JSON,
    load: () => import("../commands/profile_use.ts"),
  },
  {
    path: "profile edit",
    summary: "open the file of profiles in $VISUAL or $EDITOR",
    flags: [],
    examples: [{ line: "EDITOR=nano kf profile edit", does: "with nano" }],
    load: () => import("../commands/profile_edit.ts"),
  },
];

/** What completes, documents and names kf itself. */
export const LOCAL: readonly CommandSpec[] = [
  {
    path: "completion",
    summary: "print a script that completes commands, flags, topics and groups",
    arguments: {
      name: "SHELL",
      min: 1,
      max: 1,
      choices: ["bash", "zsh", "fish", "powershell"],
      brief: "bash, zsh, fish or powershell",
    },
    flags: [],
    examples: [
      { line: "source <(kf completion bash)", does: "in .bashrc; zsh alike" },
      { line: "kf completion fish | source", does: "in config.fish" },
      {
        line: "kf completion powershell | Out-String | Invoke-Expression",
        does: "in $PROFILE",
      },
    ],
    load: () => import("../commands/completion.ts"),
  },
  {
    path: "man",
    summary: "print the manual page",
    flags: [],
    examples: [{ line: "kf man | man -l -", does: "read it" }],
    load: () => import("../commands/man.ts"),
  },
  {
    path: "version",
    summary: "print the version",
    flags: [],
    examples: [{ line: "kf version", does: "of kf and of what runs it" }],
    json: '{"kf","deno","target"}',
    load: () => import("../commands/version.ts"),
  },
];
