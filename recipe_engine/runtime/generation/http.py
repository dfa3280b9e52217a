"""Any service that speaks OpenAI's chat completions. Needs no torch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from recipe_engine.recipe.stages.generate import GenerateStage, HttpEngine
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.chat import answer_of, bill_of, choices_in, key_of, messages_for, usage_in
from recipe_engine.runtime.generation.ledger import Ledger
from recipe_engine.runtime.generation.pace import Budget, BudgetError, Pace, StopAskingError
from recipe_engine.runtime.generation.requests import Answer, Refused, Request, Say
from recipe_engine.runtime.posting import TRY_AGAIN, Posting, asked_to_wait

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second attempt, and at most before a later one, where the service does not say how long."""
REFUSING = frozenset({400, 413, 422})
"""Statuses that are about one request, such as a prompt that is too long: it is left out and counted."""
_LARGEST_SEED = 2**31 - 1
_TOKENS_OF_A_MESSAGE = 16
"""At most, beside its content."""


class HttpClient:
    """Asks a service. What it answers is kept in a file, and never asked for again."""

    def __init__(
        self, settings: HttpEngine, stage: GenerateStage, thinking: ThinkingBlock | None, say: Say, spent: float = 0.0
    ) -> None:
        """Read the key. ``spent`` is what earlier starts of the stage have cost.

        Raises:
            RunError: it is not there.
        """
        self.settings = settings
        self.stage = stage
        self.thinking = thinking
        self.say = say
        self.url = f"{settings.base_url.rstrip('/')}/chat/completions"
        self._posting = Posting(
            "engine", self.url, settings.api_key_env, settings.timeout_seconds, settings.concurrency
        )
        self._pace = Pace(settings.requests_per_minute)
        self._budget = Budget(settings, spent)
        self._counted: dict[str, float] = {}
        self._told: set[str] = set()

    def complete(self, requests: Sequence[Request], ledger: Path) -> list[Answer]:
        """An answer for each request, in order, so many at once as the settings say.

        Raises:
            BudgetError: the next one might cost more than may be spent.
            RunError: the service refuses all, or a request has failed as often as it may be tried.
        """
        kept = Ledger(ledger)
        wanted = [request for request in requests if key_of(request) not in kept.known]
        jobs = [[request] for request in wanted]
        if self.settings.samples == "parameter":
            grouped = groupby(wanted, key=lambda request: (request.prompt_id, request.attempt))
            jobs = [list(group) for _, group in grouped]
        try:
            self._ask_all(jobs, kept)
        finally:
            kept.close()
        return [answer_of(kept.known[key_of(request)]) for request in requests]

    def totals(self, ledger: Path) -> dict[str, float]:
        """How often it tried again since it was last asked, and what the kept answers have cost."""
        counted, self._counted = self._counted, {}
        return {**counted, **bill_of(ledger)}

    def close(self) -> None:
        """Close the connections."""
        self._posting.client.close()

    def _ask_all(self, jobs: list[list[Request]], kept: Ledger) -> None:
        if not jobs:
            return
        with ThreadPoolExecutor(min(self.settings.concurrency, len(jobs))) as threads:
            waiting = [threads.submit(self._job, job, kept) for job in jobs]
            try:
                done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._end(waiting)
                raise
            errors = [error for one in done if (error := one.exception()) is not None]
            if errors:
                self._end(waiting)
        for one in waiting:  # those that were under way have ended by now
            if not one.cancelled() and (error := one.exception()) is not None and error not in errors:
                errors.append(error)
        real = [error for error in errors if not isinstance(error, StopAskingError)]
        if real:
            raise next((error for error in real if not isinstance(error, BudgetError)), real[0])

    def _end(self, waiting: list[Any]) -> None:
        self._pace.stop()
        for one in waiting:
            one.cancel()

    def _job(self, job: list[Request], kept: Ledger) -> None:
        """Ask for the samples of one prompt. An error of it lets no other job begin."""
        try:
            self._whole_job(job, kept)
        except BaseException:
            self._pace.stop()
            raise

    def _whole_job(self, job: list[Request], kept: Ledger) -> None:
        """Ask with one request, and for the samples that it does not give with further ones."""
        choices = self._asked(job, kept)
        lacking = job[choices:]
        if lacking and len(job) > 1:
            self._say_once("n", f"{self.url} answered {choices} of n={len(job)} completions; the others are asked for")
        for request in lacking:
            if self._asked([request], kept) == 0:
                raise RunError(f"{self.url} answered no completion")

    def _asked(self, job: list[Request], kept: Ledger) -> int:
        """One request, tried as often as the settings say. Returns how many of the samples it gave."""
        body = self._body(job)
        most = self._most(body, len(job))
        self._budget.reserve(most)
        cost = 0.0
        try:
            answer = self._answered(body)
            if isinstance(answer, Refused):
                for request in job:
                    kept.add(key_of(request), {"refused": answer.reason})
                return len(job)
            found = choices_in(answer)[: len(job)]
            usage = usage_in(answer)
            cost = most if usage is None else self._budget.dollars(*usage)
            for place, (request, choice) in enumerate(zip(job, found, strict=False)):
                shared = self._bill(usage, cost, first=place == 0, alone=len(job) == 1)
                kept.add(key_of(request), {**choice, **shared})
            return len(found)
        finally:
            self._budget.settle(most, cost)

    def _bill(
        self, usage: tuple[int, int] | None, cost: float, *, first: bool, alone: bool
    ) -> dict[str, float | int | None]:
        """What an answer cost, kept with the first of its completions."""
        entry: dict[str, float | int | None] = {"tokens": usage[1] if usage is not None and alone else None}
        if not first:
            return entry
        entry |= {"requests": 1, "dollars": cost}
        if usage is None:
            return entry | {"without_usage": 1}
        return entry | {"input_tokens": usage[0], "output_tokens": usage[1]}

    def _answered(self, body: dict[str, Any]) -> Any:
        """The JSON that the service answers, or that it refuses this one request."""
        attempts = self.settings.attempts
        for attempt in range(attempts):
            self._pace.wait()
            wait_for = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * (0.5 + random.random() / 2)  # not all at once
            try:
                answer = self._posting.once(body)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            except httpx.InvalidURL as error:
                raise RunError(self._posting.safe(f"{self.url}: {error}")) from None
            else:
                if answer.is_success:
                    try:
                        said = answer.json()
                        choices_in(said)
                        return said
                    except ValueError:
                        problem = f"the answer is no chat completion: {answer.text[:200]!r}"
                elif answer.status_code in REFUSING:
                    self._say_once("refused", f"refused: HTTP {answer.status_code}: {answer.text[:200]}")
                    return Refused("refused_by_service")
                elif answer.status_code < 500 and answer.status_code not in TRY_AGAIN:
                    hint = "check engine.base_url, model and api_key_env"
                    refused = f"{self.url} refuses: HTTP {answer.status_code}: {answer.text[:200]}"
                    raise RunError(self._posting.safe(refused), hint)
                else:
                    problem = f"HTTP {answer.status_code}: {answer.text[:200]}"
                    asked = asked_to_wait(answer)
                    if asked > 0:
                        self._pace.pause(asked)
                        wait_for = asked
            if attempt + 1 < attempts:
                self._counted["retries"] = self._counted.get("retries", 0) + 1
                self._pace.sleep(wait_for)
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        hint = "start again to go on from here: what was answered is kept"
        raise RunError(self._posting.safe(f"{self.url} gave no answer after {tried}: {problem}"), hint)

    def _body(self, job: list[Request]) -> dict[str, Any]:
        sampling, settings = self.stage.sampling, self.settings
        body: dict[str, Any] = {
            "model": self.stage.model,
            "messages": messages_for(job[0].prompt, self.thinking),
            settings.max_tokens_parameter: sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": job[0].seed % _LARGEST_SEED,
        }
        # Not every service knows these: what is at its default is left out.
        defaults = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "stop": []}
        body |= {name: value for name, off in defaults.items() if (value := getattr(sampling, name)) != off}
        if len(job) > 1:
            body["n"] = len(job)
        return body | settings.extra_body

    def _most(self, body: dict[str, Any], count: int) -> float:
        """What a request may cost at most: no token of text is less than a byte."""
        tokens = sum(len(str(one.get("content") or "").encode()) + _TOKENS_OF_A_MESSAGE for one in body["messages"])
        return self._budget.dollars(tokens + _TOKENS_OF_A_MESSAGE, count * self.stage.sampling.max_tokens)

    def _say_once(self, topic: str, message: str) -> None:
        if topic not in self._told:
            self._told.add(topic)
            self.say(self._posting.safe(message))
