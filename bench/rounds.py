"""The measurements on one engine: all servers run, each with a database of its own, and take turns."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import calls as calls_
import load
import report
import seed
import servers
from databases import Cluster, Database
from plan import Plan
from servers import Server, Target

SETTLE_SECONDS = 3.0


def progress(text: str) -> None:
    """One line that changes on a terminal, a line each in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}")
    elif text:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


class Engine:
    """The measurements on one engine."""

    def __init__(
        self,
        engine: str,
        plan: Plan,
        targets: list[Target],
        floor: Path | None,
        directory: Path,
        cluster: Cluster | None,
        results: report.Results,
        raw: Path,
    ) -> None:
        self.engine, self.plan, self.targets, self.floor = engine, plan, targets, floor
        self.directory, self.cluster, self.results, self.raw = directory / engine, cluster, results, raw
        self.clock = load.Clock()

    def run(self) -> None:
        """Starts the servers, measures, stops them."""
        running: list[Server] = []
        try:
            for target in self.targets:
                progress(f"{self.engine}: starting {target.name}")
                running.append(Server(target, self._database(target.name), self.directory / target.name))
            floor_database = self._floor_database()
            time.sleep(SETTLE_SECONDS)
            footprints = {
                s.target.name: report.Footprint(self.engine, s.target.name, round(s.memory_mib(), 1)) for s in running
            }
            self.results.footprints += footprints.values()
            self.results.about[f"{self.engine} durability"] = ", ".join(
                f"{s.target.name} {s.database.journal()}" for s in running
            )
            for server in running:
                self._seed(server.database, server.target)
                if self.plan.indexes and server.target.name == "ferroflow":
                    progress(f"{self.engine}: indexes")
                    command = [*server.target.command, "db", "indexes", "create", server.database.uri]
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                (server.directory / "runs.txt").write_text("\n".join(seed.written_run_ids()) + "\n")
            for call in self.plan.calls:
                self._measure(call, running, floor_database, footprints)
        finally:
            for server in running:
                server.stop()
        for server in running:
            progress(f"{self.engine}: cold starts of {server.target.name}")
            times = self.plan.cold_starts if server.target.name == "ferroflow" else self.plan.other_cold_starts
            found = servers.cold_starts(server.target, server.database, server.directory, times)
            footprints[server.target.name].cold_starts = [round(seconds, 4) for seconds in found]

    def _database(self, name: str) -> Database:
        if self.engine == "postgresql":
            if self.cluster is None:
                raise RuntimeError("a PostgreSQL run without a cluster")
            return self.cluster.create(name)
        self.directory.mkdir(exist_ok=True)
        return Database(f"sqlite:///{self.directory / name}.db")

    def _seed(self, database: Database, target: Target) -> None:
        progress(f"{self.engine}: {self.plan.runs:,} runs for {target.name}")
        seed.seed(database, self.plan.runs, self.plan.long_history, target.schema)

    def _floor_database(self) -> Database | None:
        """A database like the servers', with nobody on it; a server made its schema."""
        maker = next((target for target in self.targets if target.schema is seed.MLFLOW), None)
        if self.floor is None or maker is None:
            return None
        database = self._database("floor")
        Server(maker, database, self.directory / "floor").stop()
        self._seed(database, maker)
        return database

    def _measure(
        self,
        call: calls_.Call,
        running: list[Server],
        floor_database: Database | None,
        footprints: dict[str, report.Footprint],
    ) -> None:
        """Rounds over the targets: A B C A B C. A machine that changes its pace changes it for all of them."""
        ready = [(server, *found) for server in running if (found := self._probe(call, server))]
        for connections in self.plan.connections:
            for turn in range(self.plan.rounds):
                where = f"{self.engine}: {call.name}, {connections} connections, round {turn + 1}"
                for server, own, probe in ready:
                    if server.target.name != "ferroflow" and turn >= self.plan.other_rounds:
                        continue
                    progress(f"{where}, {server.target.name}")
                    self._write_run_ids(server, call)
                    sample = load.measure_server(
                        server, own, probe, connections, self.plan, self.clock, self.raw
                    )
                    self.results.samples.append(sample)
                    server.wait_until_quiet()
                    footprint = footprints[server.target.name]
                    footprint.loaded_mib = max(footprint.loaded_mib, round(server.memory_mib(), 1))
                if self.floor and floor_database:
                    progress(f"{where}, floor")
                    self._measure_floor(floor_database, call, connections)

    def _probe(self, call: calls_.Call, server: Server) -> tuple[calls_.Call, calls_.Probe] | None:
        """The call as this server gets it; None, and a note, where the server does not have it."""
        run_id = seed.written_run_ids()[0] if call.written else seed.large_run_ids(self.plan.runs, 1)[0]
        for last in (False, True):
            try:
                own = calls_.prepare(call, server.port)
                return own, calls_.probe(own, server.port, run_id, self.clock.number())
            except calls_.Unsupported as error:
                if last:
                    self.results.skipped[f"{self.engine}, {call.name}, {server.target.name}"] = str(error)
                server.wait_until_quiet()
        return None

    def _write_run_ids(self, server: Server, call: calls_.Call) -> None:
        ids = seed.written_run_ids() if call.written else seed.large_run_ids(self.plan.runs, seed.WRITTEN_RUNS)
        (server.directory / "runs.txt").write_text("\n".join(ids) + "\n")

    def _measure_floor(self, database: Database, call: calls_.Call, connections: int) -> None:
        if self.floor is None:
            return
        for suffix in ("", "-grouped") if connections > 1 else ("",):
            sample = load.measure_floor(
                self.floor, database, call.name + suffix, call.rows, connections, self.plan.seconds, self.raw
            )
            if sample:
                sample.call, sample.target = call.name, f"floor{suffix}"
                self.results.samples.append(sample)
