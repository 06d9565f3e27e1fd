// A notebook for tests.

import type { Notebook, NotebookStatus } from "../api/types";

export function sampleNotebook(changes: Partial<Notebook> = {}): Notebook {
  return {
    id: "nb-1",
    name: "first",
    projectId: "pr-1",
    notebookRepoId: null,
    machineType: "C3",
    state: "Running",
    fqdn: "nb-1.localhost",
    token: "secret",
    startedByUser: { id: "us-1", email: "ann@example.org", firstName: "Ann", lastName: null } as Notebook["startedByUser"],
    dtCreated: "2026-03-01T12:00:00.000Z",
    dtModified: "2026-03-01T12:00:00.000Z",
    dtStarted: null,
    ...changes,
  };
}

export function sampleStatus(changes: Partial<NotebookStatus> = {}): NotebookStatus {
  return {
    id: "nb-1",
    state: "Running",
    reason: "it answers",
    summary: "it answers",
    details: [],
    url: "http://nb-1.localhost:7701/",
    dtRunUntil: null,
    restarting: false,
    template: null,
    workspace: null,
    workspaceRef: null,
    forkedFrom: null,
    keeping: false,
    volumeId: null,
    workloadId: "wl-1",
    revision: 3,
    stopsAt: null,
    stopsBecause: "",
    keptUntil: null,
    idleTimeoutSeconds: 3600,
    preemptible: false,
    priority: 0,
    ...changes,
  };
}
