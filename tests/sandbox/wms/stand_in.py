"""The stand-in WMS as a test or a person holds it: two listeners over one set of collections."""

from __future__ import annotations

import copy
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from threading import RLock, Timer
from types import TracebackType
from typing import Any, Self

from tests.sandbox.wms import tokens as realm
from tests.sandbox.wms.breakpoints import Breakpoint, Moment
from tests.sandbox.wms.control import answer_control
from tests.sandbox.wms.exchange import Exchange
from tests.sandbox.wms.faults import WMS_ROUTES, Fault, RoutePattern
from tests.sandbox.wms.journal import RequestRecord
from tests.sandbox.wms.page import page
from tests.sandbox.wms.requested import requested_task, requested_workflow
from tests.sandbox.wms.routes import TMS_ROLE, USER_ROLE, WmsRoutes
from tests.sandbox.wms.server import Listener
from tests.sandbox.wms.storage import Identifiers
from tests.sandbox.wms.taskforces import Taskforces
from tests.sandbox.wms.wire import Drop, Incoming, Json, Reply
from tests.sandbox.wms.workflows import Workflows

TOKEN_ROUTES = f"{realm.REALM_PATH}/**"
_BROKER: Json = {"broker_type": "rabbitmq", "broker_address": "rabbitmq.example.org:5671/ewms"}


class StandInWms:
    """A WMS and its token service, running from the start until `close`; every method is thread-safe.

    `tokens.omit_expires_in` and `tokens.omit_role` are the token service's switches, `tokens.rotate_key()`
    makes every token issued so far invalid.
    """

    def __init__(
        self,
        *,
        schedd: str = "ap1.example.org",
        host: str = "127.0.0.1",
        port: int = 0,
        token_port: int = 0,
        page_bytes: int = 20_000,
        body_bytes: int = 100 * 1024 * 1024,
        token_seconds: int = 20,
        leeway_seconds: int = 60,
        action_retries: int = 2,
        mqprofile: Json | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.schedd = schedd
        self.client_id, self.client_secret = "tms", secrets.token_urlsafe(24)
        self.user_client_id, self.user_client_secret = "user", secrets.token_urlsafe(24)
        self._lock = RLock()
        identifiers = Identifiers(clock)
        self._taskforces = Taskforces(clock, identifiers, action_retries)
        self._workflows = Workflows(self._taskforces, identifiers, clock, _BROKER | (mqprofile or {}))
        self._exchange = Exchange(clock)
        self._answering: Iterator[StandInWms] | None = None  # who answers the next request, if not we
        self._timers: list[Timer] = []
        token_listener = Listener(self._answer_realm, host, token_port, body_bytes)
        self.token_url = token_listener.address + realm.REALM_PATH
        self.tokens = realm.TokenService(
            self.token_url,
            {
                self.client_id: (self.client_secret, TMS_ROLE),
                self.user_client_id: (self.user_client_secret, USER_ROLE),
            },
            clock=clock,
            token_seconds=token_seconds,
            leeway_seconds=leeway_seconds,
        )
        self._routes = WmsRoutes(self._taskforces, self._workflows, self.tokens, page_bytes)
        wms_listener = Listener(self._answer_wms, host, port, body_bytes)
        self.address = wms_listener.address
        self._listeners = {"wms": wms_listener, "tokens": token_listener}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything at once: held requests, connections, listeners."""
        self._exchange.close()
        for timer in self._timers:
            timer.cancel()
        for listener in self._listeners.values():
            listener.close()

    def environment(self) -> dict[str, str]:
        """What a TMS needs in its environment to work with this WMS."""
        return {
            "EWMS_ADDRESS": self.address,
            "EWMS_TOKEN_URL": self.token_url,
            "EWMS_CLIENT_ID": self.client_id,
            "EWMS_CLIENT_SECRET": self.client_secret,
        }

    # What users do

    def add_workflow(self, tasks: list[Json], *, priority: int = 0, validate: bool = True) -> Json:
        """Hand in a workflow and return the WMS's reply to it; each task is overlaid on a sensible one."""
        request = requested_workflow(
            [requested_task(self.schedd, task) for task in tasks], priority, validate
        )
        with self._lock:
            return copy.deepcopy(self._workflows.create(request))

    def add_taskforce(
        self,
        *,
        n_workers: int | None = 1,
        pilot_environment: Json | None = None,
        pilot_config: Json | None = None,
        worker_config: Json | None = None,
        task: Json | None = None,
        taskforce: Json | None = None,
        mqprofile: Json | None = None,
        priority: int = 0,
        launch: bool = True,
        validate: bool = True,
    ) -> str:
        """Hand in a workflow of one taskforce, ready to start, and return the taskforce's id.

        `pilot_config`, `worker_config` and `task` (fields of a task of POST /v1/workflows) overlay the
        defaults, `taskforce` and `mqprofile` what the WMS stores; an override of `...` takes the field away.
        With `validate=False` all of it may be as wrong as a test needs. A phase given in `taskforce` stays;
        `launch=False` leaves it in pre-mq-activation.
        """
        one = requested_task(
            self.schedd,
            {"n_workers": n_workers, **(task or {})},
            pilot_config={"environment": pilot_environment or {}, **(pilot_config or {})},
            worker_config=worker_config or {},
        )
        request = requested_workflow([one], priority, validate, stored=taskforce)
        launch = launch and "phase" not in (taskforce or {})
        with self._lock:
            made = self._workflows.create(
                request, mqprofile=mqprofile, taskforce=copy.deepcopy(taskforce), launch=launch
            )
        return str(made["taskforces"][0]["taskforce_uuid"])

    def abort(self, uuid: str) -> Json:
        """Abort the taskforce's workflow, as its user would."""
        return self._deactivate(uuid, "ABORTED")

    def finish(self, uuid: str) -> Json:
        """Declare the taskforce's workflow finished, as its user would."""
        return self._deactivate(uuid, "FINISHED")

    # What the WMS does by itself

    def launch(self, uuid: str) -> None:
        """Take the workflow to pending-starter; as the WMS's own step it overwrites even an abort."""
        with self._lock:
            self._workflows.launch(self._taskforces.get(uuid)["workflow_id"])

    def change(self, uuid: str, **fields: Any) -> None:
        """Overwrite fields of a stored taskforce, as a person with access to the database may."""
        with self._lock:
            self._taskforces.change(uuid, fields)

    # What a test looks at

    def taskforce(self, uuid: str) -> Json:
        """A copy of the taskforce as it is stored now."""
        with self._lock:
            return self._taskforces.get(uuid)

    def taskforces(self) -> list[Json]:
        """Copies of all taskforces, oldest first."""
        with self._lock:
            stored = copy.deepcopy(list(self._taskforces))
        return [{name: value for name, value in one.items() if name != "_id"} for one in stored]

    def queues(self, uuid: str) -> tuple[str, str]:
        """The ids of the taskforce's first queue of events and of its first queue of results."""
        with self._lock:
            directive = self._workflows.with_task(self._taskforces.get(uuid))["task_directive"]
        return directive["input_queues"][0], directive["output_queues"][0]

    @property
    def requests(self) -> list[RequestRecord]:
        """Every request to the WMS and its token service so far, in the order of arrival."""
        return self._exchange.journal.records()

    def requests_to(self, method: str, route: str) -> list[RequestRecord]:
        """The requests that fit a route pattern, for instance ("POST", "/v1/tms/condor-rm/taskforces/*")."""
        pattern = RoutePattern(method, route)
        return [one for one in self.requests if pattern.fits(one.method, one.path)]

    def token(self, role: str | None = TMS_ROLE) -> str:
        """A fresh token without a visit to the token service."""
        return self.tokens.issue(role)

    # What goes wrong

    def fault(self, kind: str, *, method: str = "*", route: str = WMS_ROUTES, **how: Any) -> Fault:
        """Switch on a fault (see `Fault`) for the WMS, or with `TOKEN_ROUTES` for the token service."""
        return self._exchange.faults.add(Fault(kind, method, route, **how))

    def clear_faults(self, fault: Fault | None = None) -> None:
        """Switch off one fault, or all; an outage goes on until `up`."""
        self._exchange.faults.clear(fault)

    def down(self, service: str = "wms", seconds: float | None = None) -> None:
        """Refuse connections to "wms" or "tokens", until `up` or for some seconds."""
        self._listeners[service].close()
        if seconds is not None:
            timer = Timer(seconds, self.up, (service,))
            timer.daemon = True
            self._timers.append(timer)
            timer.start()

    def up(self, service: str = "wms") -> None:
        """Come back on the same port; does nothing when the service is up."""
        self._listeners[service].open()

    def act_late(self) -> None:
        """Act on what `late` faults kept, without statuses of taskforces that are complete by now.

        Those would stay, because nobody looks at a complete taskforce again (docs/reliability.md).
        """

        def is_of_use(incoming: Incoming) -> bool:
            complete = (one for one in self.taskforces() if one["phase"] == "condor-complete")
            return not any(one["taskforce_uuid"].encode() in incoming.body for one in complete)

        self._exchange.act_late(is_of_use)

    def answered_by(self, *others: StandInWms) -> None:
        """Let these answer in turn, as where our name leads to them; without any, this one by itself again.

        They share our token service.
        """
        for other in others:
            other._routes.tokens = self.tokens
        self._answering = itertools.cycle(others) if others else None

    def pause_at(self, method: str, route: str, moment: Moment) -> Breakpoint:
        """Hold the next request that fits "before" it is acted on, or "after", before its reply is sent."""
        return self._exchange.breakpoints.add(Breakpoint(RoutePattern(method, route), moment))

    def _deactivate(self, uuid: str, reason: str) -> Json:
        with self._lock:
            return self._workflows.deactivate(self._taskforces.get(uuid)["workflow_id"], reason)

    def _answer_wms(self, incoming: Incoming) -> Reply | Drop:
        if incoming.path == "/" and incoming.method == "GET":
            return page(self.taskforces())
        if incoming.path.startswith("/_control"):
            return self._answer_control(incoming)
        return self._exchange.carry(incoming, self._act)

    def _answer_realm(self, incoming: Incoming) -> Reply | Drop:
        if incoming.path.startswith("/_control"):
            return self._answer_control(incoming)
        return self._exchange.carry(incoming, self.tokens.answer)

    def _act(self, incoming: Incoming) -> Reply:
        answering = next(self._answering) if self._answering else self
        with answering._lock:
            return answering._routes.answer(incoming)

    def _answer_control(self, incoming: Incoming) -> Reply:
        def up_all() -> None:
            for service in self._listeners:
                self.up(service)

        return answer_control(incoming, self._exchange.faults, self.down, up_all)
