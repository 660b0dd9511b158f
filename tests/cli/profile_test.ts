/**
 * Profiles as the shell sees them: what wins, what is refused, what is kept.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { kf, startBrokerProcess, temporaryFolder } from "../fixtures.ts";

Deno.test("a profile in use stands in for flags, and flags and KF_* win over it", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
  });
  const call = (line: string, env: Record<string, string> = {}) =>
    kf(line.split(" "), {
      cwd: folder.path,
      env: { XDG_CONFIG_HOME: `${folder.path}/config`, ...env },
    });
  const none = await call("profile list");
  assertEquals([none.code, none.stdout], [0, ""]);
  const made = await call(
    `profile create here -b ${broker.address} -X client.id=me --format json`,
  );
  assertEquals(JSON.parse(made.stdout), {
    name: "here",
    brokers: broker.address,
    current: true,
  });
  const path = `${folder.path}/config/kf/profiles.yaml`;
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assertEquals((await call("topic create t")).code, 0);
  await call("profile create away -b 127.0.0.1:1 -t other");
  const away = await call("topic list");
  assertEquals(away.code, 1);
  assertStringIncludes(away.stderr, "127.0.0.1:1");
  assertEquals((await call("topic list --profile here --format tsv")).code, 0);
  assertEquals((await call("topic list", { KF_PROFILE: "here" })).code, 0);
  assertEquals(
    (await call("topic list", { KF_BROKERS: broker.address })).code,
    0,
  );
  assertEquals((await call("profile use here")).code, 0);
  assertEquals((await call("topic list")).code, 0);
  const list = await call("profile list --format json");
  assertEquals(JSON.parse(list.stdout), [
    { name: "here", brokers: broker.address, current: true },
    { name: "away", brokers: "127.0.0.1:1", current: false },
  ]);
});

Deno.test("a profile may speak to each kind of client, -X only to the one that is made", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
  });
  const call = (line: string, stdin = "") =>
    kf(line.split(" "), {
      cwd: folder.path,
      env: { XDG_CONFIG_HOME: folder.path },
      stdin,
    });
  await call(
    `profile create all -b ${broker.address} -X group.protocol=consumer -X linger.ms=1`,
  );
  const lines = [
    "topic create t",
    "produce t",
    "consume t -e -g g",
    "group describe g",
    "copy t u",
  ];
  for (const line of lines) {
    const { code, stderr } = await call(line, "1\n");
    assertEquals(code, 0, `${line}: ${stderr}`);
  }
  const [group] = JSON.parse(
    (await call("group describe g --format json")).stdout,
  );
  assertEquals(group.type, "consumer");
  assertEquals((await call("topic list -X linger.ms=1")).code, 2);
  assertEquals((await call("produce t -X group.id=g")).code, 2);
  assertEquals((await call("copy t v -X producer.group.id=g")).code, 2);
});

Deno.test("a command's flags win over the properties of a profile, and -X over both", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  await using broker = await startBrokerProcess({ data });
  const call = async (line: string, stdin = "1\n") => {
    const { code, stdout, stderr } = await kf(line.split(" "), {
      cwd: folder.path,
      env: { XDG_CONFIG_HOME: folder.path },
      stdin,
    });
    assertEquals(code, 0, `${line}: ${stderr}`);
    return stdout;
  };
  await call(
    `profile create p -b ${broker.address} -X compression.type=lz4 -X group.id=other -X auto.offset.reset=latest`,
  );
  const codecs = [
    ["produce plain", "lz4"],
    ["produce flagged -z zstd", "zstd"],
    ["produce given -z zstd -X compression.type=gzip", "gzip"],
  ] as const;
  for (const [line, codec] of codecs) {
    await call(line);
    const topic = line.split(" ")[1]!;
    const rows = await call(`log dump ${data}/${topic}-0 --format json`);
    assertStringIncludes(rows, `"${codec}"`);
  }
  assertEquals(await call("consume plain -e -g mine"), "");
  assertEquals(await call("consume plain -e -g mine2 -o start"), "1\n");
  const groups = JSON.parse(await call("group list --format json"));
  assertEquals(
    groups.map(({ groupId }: { groupId: string }) => groupId).sort(),
    ["mine", "mine2"],
  );
});

Deno.test("a profile that is not there, twice there or wrong is refused with 2", async () => {
  using folder = temporaryFolder();
  const call = (line: string) =>
    kf(line.split(" "), { env: { XDG_CONFIG_HOME: folder.path } });
  const unknown = await call("topic list --profile nope");
  assertEquals(unknown.code, 2);
  assertStringIncludes(unknown.stderr, 'Cannot use profile "nope"');
  assertEquals((await call("profile create a")).code, 0);
  assertEquals((await call("profile create a")).code, 2);
  assertEquals((await call("profile edit")).code, 2);
  Deno.writeTextFileSync(
    `${folder.path}/kf/profiles.yaml`,
    "current: gone\nprofiles: { a: { brokerz: x } }\n",
  );
  const gone = await call("topic list");
  assertEquals(gone.code, 2);
  assertStringIncludes(gone.stderr, '"gone": there is a');
  assertEquals((await call("profile use a")).code, 0, "it can be mended");
  const wrong = await call("topic list");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, 'Unknown key "brokerz"');
});

Deno.test("a user without a home needs no profile", async () => {
  const env = { HOME: "", XDG_CONFIG_HOME: "", USERPROFILE: "" };
  assertEquals((await kf(["version"], { env })).code, 0);
  const kept = await kf(["profile", "create", "a"], { env });
  assertEquals(kept.code, 2);
  assertStringIncludes(kept.stderr, "neither HOME");
});
