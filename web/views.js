// What each table shows: columns, first sort, states and what to do when there is nothing yet.

import { h } from "./dom.js";
import { shares } from "./charts.js";
import { bytes, code, decimal, elapsed, identifier, integer, none, resourceNames, amount, state, text, time } from "./format.js";

const link = (view, id) => (id ? `#/${view}/${encodeURIComponent(id)}` : undefined);

/** A title, a sentence, and lines to paste. */
function start(title, sentence, ...lines) {
  return () => [h("h2", null, title), h("p", null, sentence), ...lines.map((line) => h("pre", null, line))];
}

const idColumn = (width = "108px") => ({ id: "id", title: "ID", width, value: (row) => row.id, cell: (row) => identifier(row.id) });
const reference = (id, title, view, width = "100px") => ({ id, title, width, value: (row) => row[id], cell: (row) => identifier(row[id], link(view, row[id])) });
const stateColumn = (width, detail) => ({ id: "state", title: "State", width, value: (row) => row.state, cell: (row) => state(row.state, detail?.(row)) });
const timeColumn = (id, title, width = "92px") => ({ id, title, width, newestFirst: true, value: (row) => row[id], cell: (row) => time(row[id]) });
const numberColumn = (id, title, width, show = integer) => ({
  id, title, width, align: "right", value: (row) => row[id], cell: (row) => (row[id] === null || row[id] === undefined ? none() : h("span", { class: "number" }, show(row[id]))),
});

/** "1.5 / 2" with a small bar. */
function usage(row, name) {
  const total = row.total?.[name];
  if (!total) return none();
  const used = total - (row.available?.[name] ?? 0);
  return h("span", { class: "usage", title: `${amount(name, used)} of ${amount(name, total)} in use` },
    h("span", { class: `meter${used / total > 0.9 ? " full" : ""}`, vars: { share: Math.max(0, Math.min(1, used / total)).toFixed(4) } }, h("i")),
    h("span", { class: "number" }, `${amount(name, used)} / ${amount(name, total)}`));
}
const usageColumn = (name, width) => ({ id: name.toLowerCase(), title: name, width, value: (row) => (row.total?.[name] ?? 0) - (row.available?.[name] ?? 0), cell: (row) => usage(row, name) });

export function resources(row) {
  const names = resourceNames(row);
  return names.length ? h("span", { class: "tags" }, names.map((name) => h("span", { class: "tag" }, `${name} ${amount(name, row[name])}`))) : none();
}

/** What each bundle of a group holds, the placed ones linked to their nodes. */
function bundleTags(bundles) {
  return h("span", { class: "tags" }, bundles.map((bundle) => {
    const held = resourceNames(bundle.resources).map((name) => `${name} ${amount(name, bundle.resources[name])}`).join(" ");
    return bundle.node ? h("a", { class: "tag", href: link("nodes", bundle.node), title: `on node ${bundle.node}` }, held) : h("span", { class: "tag", title: "not placed" }, held);
  }));
}

const commandLine = (row) => (Array.isArray(row.entrypoint) ? row.entrypoint.join(" ") : row.entrypoint ?? "");

/** How full a node's object store is, and what of it lies on disk. */
function store(row) {
  const { store: usage, storeRates: now } = row;
  if (!usage) return none();
  const disk = usage.spilledBytes ? `, ${bytes(usage.spilledBytes)} on disk` : "";
  const moves = now ? `; now ${bytes(now.spillBytes)}/s to disk, ${bytes(now.restoreBytes)}/s back, ${bytes(now.fetchBytes)}/s from other nodes` : "";
  const share = usage.capacity > 0 ? Math.min(1, usage.used / usage.capacity) : 0;
  return h("span", { class: "usage", title: `${bytes(usage.used)} of ${bytes(usage.capacity)} in use${disk}${moves}` },
    h("span", { class: `meter${share > 0.9 ? " full" : ""}`, vars: { share: share.toFixed(4) } }, h("i")),
    h("span", { class: "number" }, `${bytes(usage.used)} / ${bytes(usage.capacity)}`));
}

/** Where an object's value is: the nodes whose stores have it, or its owner. */
function place(row) {
  if (!row.copies?.length) return row.location ? h("span", { class: "quiet" }, row.location) : none();
  const more = (row.copyCount ?? row.copies.length) - row.copies.length;
  return h("span", { class: "tags" },
    row.copies.map((copy) => h("a", { class: "tag", href: link("nodes", copy.node), title: `${copy.spilled ? "on the disk" : "in the store"} of node ${copy.node}` }, `${copy.node.slice(0, 8)}${copy.spilled ? " disk" : ""}`)),
    more > 0 ? h("span", { class: "tag" }, `+${integer(more)}`) : null);
}

/** Why an object is kept, in words. */
function keptBy(row) {
  const several = (count, one, many) => (count === 1 ? one : `${integer(count)} ${many}`);
  return [
    row.local ? "local reference" : null,
    row.pins ? `pinned by ${several(row.pins, "a task", "tasks")}` : null,
    row.borrowers ? `borrowed by ${several(row.borrowers, "a process", "processes")}` : null,
    row.containers ? `captured in ${several(row.containers, "an object", "objects")}` : null,
    row.forGood ? "encoded elsewhere, for good" : null,
  ].filter(Boolean);
}

// Of an actor that died before the head's latest restart nobody knows when.
const lifeOf = (row) => (row.state === "dead" && !row.endedAt ? null : (row.endedAt ?? Date.now()) - row.createdAt);

const taskStates = ["running", "waitingForLease", "waitingForArguments", "finished", "failed", "cancelled"];

export const views = {
  nodes: {
    title: "Nodes", group: "Cluster", shortcut: "n", tables: ["nodes"], sort: "host",
    states: ["alive", "suspect", "dead"],
    columns: [
      idColumn(),
      { id: "host", title: "Host", value: (row) => row.host, cell: (row) => text(row.host) },
      stateColumn("92px"), usageColumn("CPU", "152px"), usageColumn("GPU", "124px"), usageColumn("memory", "222px"),
      { id: "store", title: "Object store", width: "190px", value: (row) => row.store?.used ?? 0, cell: store },
      numberColumn("workers", "Workers", "80px"),
      { id: "endpoint", title: "Endpoint", width: "150px", value: (row) => row.endpoint, cell: (row) => code(row.endpoint) },
      timeColumn("startedAt", "Started"),
    ],
    empty: start("No node has joined", "A cluster needs at least one node to run anything. Start one on this machine or another:", "manta start --address HOST:6380"),
  },
  jobs: {
    title: "Jobs", group: "Cluster", shortcut: "j", tables: ["jobs"], sort: "-startedAt", states: ["running", "finished", "failed"],
    columns: [
      idColumn(), { id: "program", title: "Program", value: (row) => row.program, cell: (row) => code(row.program) },
      stateColumn("104px"), { id: "namespace", title: "Namespace", width: "140px", value: (row) => row.namespace, cell: (row) => text(row.namespace) },
      numberColumn("pid", "PID", "80px", String), timeColumn("startedAt", "Started", "100px"),
      { id: "duration", title: "Duration", width: "100px", align: "right", value: (row) => (row.endedAt ?? Date.now()) - row.startedAt, cell: (row) => elapsed(row.startedAt, row.endedAt) },
    ],
    empty: start("No job yet", "A job is one run of a program that connects to the cluster:", 'let manta = try await Manta.connect("tcp://127.0.0.1:6380")'),
  },
  tasks: {
    title: "Tasks", group: "Compute", shortcut: "t", tables: ["tasks"], sort: "-submittedAt", states: taskStates,
    columns: [
      idColumn("136px"), { id: "function", title: "Function", value: (row) => row.name ?? row.function, cell: (row) => code(row.name ?? row.function) },
      stateColumn("190px", (row) => row.error), reference("node", "Node", "nodes"), reference("job", "Job", "jobs"), numberColumn("attempt", "Try", "56px"),
      timeColumn("submittedAt", "Submitted", "100px"),
      { id: "duration", title: "Duration", width: "100px", align: "right", value: (row) => (row.startedAt ? (row.endedAt ?? Date.now()) - row.startedAt : null), cell: (row) => elapsed(row.startedAt, row.endedAt) },
    ],
    empty: start("No task has run", "Mark a function and call its remote form; it shows here at once:", "@Remote func square(_ x: Int) -> Int { x * x }\n\nlet result = square.remote(3)\nprint(try await result.value)"),
  },
  actors: {
    title: "Actors", group: "Compute", shortcut: "a", tables: ["actors"], sort: "-createdAt", states: ["alive", "pending", "restarting", "dead"],
    columns: [
      idColumn(),
      { id: "name", title: "Name", value: (row) => row.name, cell: (row) => (row.name ? h("span", { class: "strong", title: row.name }, row.name) : none()) },
      { id: "namespace", title: "Namespace", width: "120px", value: (row) => row.namespace, cell: (row) => text(row.namespace) },
      { id: "type", title: "Type", value: (row) => row.type, cell: (row) => code(row.type) },
      stateColumn("112px", (row) => row.death?.detail ?? row.reason),
      { id: "detached", title: "Lifetime", width: "92px", value: (row) => (row.detached ? "detached" : "job"), cell: (row) => h("span", { class: row.detached ? "tag accent" : "tag" }, row.detached ? "detached" : "job") },
      reference("node", "Node", "nodes"), numberColumn("pid", "PID", "76px", String), numberColumn("restarts", "Restarts", "82px"), timeColumn("createdAt", "Created"),
      { id: "duration", title: "Duration", width: "100px", align: "right", value: lifeOf, cell: (row) => (lifeOf(row) === null ? none() : elapsed(row.createdAt, row.endedAt)) },
    ],
    empty: start("No actor lives", "A named, detached actor outlives the program that made it, and any other program finds it:", '@RemoteActor actor Counter { … }\n\nlet hits = Counter.options(name: "hits", namespace: "shop", lifetime: .detached).remote()'),
  },
  objects: {
    title: "Objects", group: "Compute", shortcut: "b", tables: ["objects"], sort: "-size", states: ["ready", "pending", "failed", "freed"],
    columns: [
      idColumn("136px"), { id: "source", title: "Made by", value: (row) => row.source, cell: (row) => code(row.source) },
      stateColumn("104px"), numberColumn("size", "Size", "100px", bytes), { id: "place", title: "In", width: "210px", value: (row) => row.copies?.[0]?.node ?? row.location, cell: place },
      reference("node", "Node", "nodes"),
      { id: "owner", title: "Owner", width: "108px", value: (row) => row.owner, cell: (row) => identifier(row.owner) }, numberColumn("ownerPid", "Owner PID", "100px", String),
      { id: "keptBy", title: "Kept by", value: (row) => keptBy(row).join(", "), cell: (row) => (keptBy(row).length ? text(keptBy(row).join(", ")) : none()) },
      timeColumn("createdAt", "Created"),
    ],
    empty: start("No object is held", "Results of tasks and values that were put are objects while someone holds a reference:", "let weights = Manta.put([Float](repeating: 0, count: 1_000_000))"),
  },
  placementGroups: {
    title: "Placement groups", group: "Compute", shortcut: "l", tables: ["placementGroups"], sort: "-createdAt", states: ["created", "pending", "rescheduling", "removed"],
    columns: [
      idColumn(), { id: "name", title: "Name", width: "140px", value: (row) => row.name, cell: (row) => (row.name ? h("span", { class: "strong", title: row.name }, row.name) : none()) },
      stateColumn("120px", (row) => row.reason), { id: "strategy", title: "Strategy", width: "110px", value: (row) => row.strategy, cell: (row) => text(row.strategy) },
      { id: "bundles", title: "Bundles", value: (row) => (row.bundles ?? []).length, cell: (row) => bundleTags(row.bundles ?? []) },
      { id: "reason", title: "Waits because", value: (row) => row.reason, cell: (row) => text(row.reason) },
      reference("job", "Job", "jobs"), timeColumn("createdAt", "Created"),
    ],
    empty: start("No placement group", "A group reserves the resources of several bundles together, all of them or none:", 'let group = try await Manta.placementGroup([["CPU": 2], ["CPU": 1]])\n_ = try await group.ready().value'),
  },
  submissions: {
    title: "Submissions", group: "Cluster", shortcut: "u", tables: ["submissions"], sort: "-submittedAt", states: ["running", "pending", "succeeded", "failed", "stopped"],
    columns: [
      { id: "id", title: "ID", width: "190px", value: (row) => row.id, cell: (row) => text(row.id) },
      { id: "entrypoint", title: "Entrypoint", value: (row) => commandLine(row), cell: (row) => code(commandLine(row)) },
      stateColumn("104px", (row) => row.message), reference("node", "Node", "nodes"), numberColumn("pid", "PID", "80px", String),
      { id: "message", title: "Message", value: (row) => row.message, cell: (row) => text(row.message) },
      timeColumn("submittedAt", "Submitted", "100px"),
      { id: "duration", title: "Duration", width: "100px", align: "right", value: (row) => (row.startedAt ? (row.endedAt ?? Date.now()) - row.startedAt : null), cell: (row) => (row.startedAt ? elapsed(row.startedAt, row.endedAt) : none()) },
    ],
    empty: start("No program was submitted", "The cluster runs a program for somebody who does not stay:", "manta job submit -- PROGRAM ARGUMENTS"),
  },
  errors: {
    title: "Errors", group: "Cluster", shortcut: "r", tables: ["errors"], sort: "-at",
    columns: [
      timeColumn("at", "When", "92px"), { id: "source", title: "Where", width: "84px", value: (row) => row.source, cell: (row) => h("span", { class: "tag" }, row.source) },
      { id: "code", title: "Code", width: "150px", value: (row) => row.code, cell: (row) => code(row.code) },
      { id: "message", title: "Message", value: (row) => row.message, cell: (row) => text(row.message) },
      reference("task", "Task", "tasks", "128px"), reference("actor", "Actor", "actors"),
      { id: "request", title: "Request", width: "112px", value: (row) => row.requestId, cell: (row) => identifier(row.requestId) },
    ],
    empty: start("No errors", "Failures of tasks, actors and HTTP requests are kept here, the newest 10,000."),
  },
  endpoints: {
    title: "Endpoints", group: "Serve", shortcut: "e", tables: ["endpoints", "backends"], sort: "name",
    columns: [
      { id: "name", title: "Name", width: "170px", value: (row) => row.name, cell: (row) => h("span", { class: "strong", title: row.name }, row.name) },
      { id: "route", title: "Route", width: "200px", value: (row) => row.route, cell: (row) => code(row.route) },
      { id: "methods", title: "Methods", width: "140px", value: (row) => (row.methods ?? []).join(" "), cell: (row) => (row.methods?.length ? h("span", { class: "tags" }, row.methods.map((one) => h("span", { class: "tag" }, one))) : h("span", { class: "quiet" }, "any")) },
      {
        id: "traffic", title: "Traffic", value: (row) => Object.keys(row.traffic ?? {}).join(" "),
        cell: (row) => h("span", { class: "traffic-cell" }, shares(row.traffic ?? {}), h("span", { class: "clip quiet" }, Object.entries(row.traffic ?? {}).sort().map(([name, weight]) => `${name} ${decimal(weight * 100)} %`).join("   "))),
      },
    ],
    empty: start("No endpoint", "An endpoint maps a route to backends and splits the traffic between them:", 'let serve = try await Serve.connect()\ntry await serve.createBackend("classifier:v1", Classifier.self, .init(replicas: 2))\ntry await serve.createEndpoint("classify", route: "/classify", backend: "classifier:v1")', "curl http://127.0.0.1:8000/classify"),
  },
  backends: {
    title: "Backends", group: "Serve", shortcut: "k", tables: ["backends"], sort: "name", states: ["healthy", "updating", "failed"],
    columns: [
      { id: "name", title: "Name", value: (row) => row.name, cell: (row) => h("span", { class: "strong", title: row.name }, row.name) },
      { id: "type", title: "Type", value: (row) => row.type, cell: (row) => code(row.type) }, stateColumn("116px", (row) => row.message),
      {
        id: "replicas", title: "Ready", width: "92px", align: "right", value: (row) => row.ready,
        cell: (row) => h("span", { class: row.ready < row.replicas ? "number warn-text" : "number", title: `${row.ready} of ${row.replicas} replicas are ready` }, `${integer(row.ready)} / ${integer(row.replicas)}`),
      },
      { id: "version", title: "Version", width: "110px", value: (row) => row.version, cell: (row) => text(row.version) },
      numberColumn("maxConcurrent", "Concurrent", "104px"), numberColumn("maxQueued", "Queue", "84px"),
      { id: "resources", title: "Resources", width: "180px", value: (row) => JSON.stringify(row.resources ?? {}), cell: (row) => resources(row.resources) },
    ],
    empty: start("No backend", "A backend is code with a number of replicas; endpoints send it requests:", 'try await serve.createBackend("classifier:v1", Classifier.self, .init(replicas: 2, maxConcurrent: 8))'),
  },
  replicas: {
    title: "Replicas", group: "Serve", shortcut: "p", tables: ["replicas"], sort: "tag", states: ["ready", "starting", "draining", "dead"],
    columns: [
      { id: "tag", title: "Replica", value: (row) => row.tag, cell: (row) => code(row.tag) }, { id: "backend", title: "Backend", value: (row) => row.backend, cell: (row) => h("a", { href: link("backends", row.backend), title: row.backend }, row.backend) },
      stateColumn("116px", (row) => row.message), { id: "version", title: "Version", width: "110px", value: (row) => row.version, cell: (row) => text(row.version) },
      reference("actor", "Actor", "actors"), reference("node", "Node", "nodes"), numberColumn("pid", "PID", "80px", String), timeColumn("startedAt", "Started"),
    ],
    empty: start("No replica", "Replicas appear when a backend is created; each is an actor with a process of its own."),
  },
};
