"""``POST /explain``: why the model of a finished run answers as it does for chosen rows.

Owns: the address, the form of its request and of its answer, and the answer that names every wrong
row and field. The model stays in its own process; see ``model_sessions``.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool

import jobs
from api_problems import Where, documented, pointer_of, problem_response
from api_runs import StoreOf
from base_types import Cell, TypedModel
from errors import RowsError, TooLargeError
from model_sessions import (
    MAX_QUESTION_BYTES,
    MAX_ROWS,
    MAX_SECONDS,
    Question,
    RowAnswers,
    explain_rows,
)
from storage import Store
from strict_json import read_json
from word_types import TextExplanation

router = APIRouter(tags=["explanations"])

_REQUEST: dict[str, Any] = {
    "run_id": "01kf2m9x3c8d7e6f5g4h3j2k1m",
    "rows": [{"age": 41, "contract": "monthly", "charge": 79.5}],
}
_ANSWER: dict[str, Any] = {
    "run_id": "01kf2m9x3c8d7e6f5g4h3j2k1m",
    "method": "tree",
    "exact": True,
    "space": "probability",
    "columns": ["age", "contract", "charge"],
    "background_rows": 100,
    "relative_error": None,
    "predictions": ["yes"],
    "classes": ["no", "yes"],
    "probabilities": [[0.29, 0.71]],
    "outputs": [
        {
            "output": "yes",
            "base_value": 0.27,
            "values": [0.71],
            "contributions": [{"age": 0.05, "contract": 0.3, "charge": 0.09}],
            "standard_errors": None,
        }
    ],
    "notes": [],
}


class ExplainRequest(TypedModel):
    """Rows to explain: typed ones, or positions in the data that the run was tested on."""

    model_config = ConfigDict(json_schema_extra={"example": _REQUEST})

    run_id: str = Field(max_length=64)
    rows: list[dict[str, Cell]] = Field(
        default_factory=list,
        max_length=MAX_ROWS,
        description="One object per row with every input of the model; null is missing",
    )
    row_numbers: list[int] = Field(
        default_factory=list, max_length=MAX_ROWS, description="Instead of rows, from 0"
    )
    seconds: float = Field(
        default=2.0, gt=0, le=MAX_SECONDS, description="Time an estimated explanation may take"
    )
    space: Literal["auto", "probability"] = Field(
        default="auto",
        description="auto: the unit in which values are exact, log-odds for most boosting and "
        "logistic regression. probability: where the model answers them; may take longer",
    )

    @model_validator(mode="after")
    def _one_kind_of_rows(self) -> ExplainRequest:
        if bool(self.rows) == bool(self.row_numbers):
            msg = "expected either rows or row_numbers, with at least one entry"
            raise ValueError(msg)
        return self


class ExplainedValues(TypedModel):
    """One output (a class or a target): ``base_value`` plus contributions is its value."""

    output: str
    base_value: float
    values: list[float] = Field(description="The explained number, one per row")
    contributions: list[dict[str, float]] = Field(description="By column, one object per row")
    standard_errors: list[dict[str, float]] | None = Field(description="null when exact")


class ExplainAnswer(TypedModel):
    """Predictions of the rows and the contribution of each column to them."""

    model_config = ConfigDict(json_schema_extra={"example": _ANSWER})

    run_id: str
    method: Literal["linear", "tree", "enumerated", "sampled"] | None
    exact: bool
    space: str = Field(description="Unit of values: probability, log-odds, prediction …")
    columns: list[str]
    background_rows: int = Field(description="Rows that stand for an ordinary row")
    relative_error: float | None
    predictions: list[Cell | list[Cell]]
    classes: list[str] = Field(description="Columns of probabilities")
    probabilities: list[list[float]]
    outputs: list[ExplainedValues]
    texts: list[TextExplanation] = Field(
        default_factory=list, description="Text columns by word, one entry per column and output"
    )
    notes: list[str]


_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ExplainRequest.model_json_schema()}},
    }
}


@router.post(
    "/explain",
    operation_id="explain_rows",
    response_model=ExplainAnswer,
    responses=documented(404, 413, 503),
    openapi_extra=_BODY,
)
async def explain(request: Request, store: StoreOf) -> Any:  # noqa: ANN401 - two kinds of answer
    """Explain rows with the model of a finished run, in the columns of its data."""
    body = await _read_body(request)
    try:
        answers = await run_in_threadpool(_ask, store, body)
    except RowsError as error:
        return _rows_problem(error, body, Where.of(request.scope))
    return _answer(answers)


async def _read_body(request: Request) -> ExplainRequest:
    """Read the request; a body that is too large is refused while it comes in."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_QUESTION_BYTES:
            msg = f"The request is larger than {MAX_QUESTION_BYTES:,} bytes; send fewer rows"
            raise TooLargeError(msg)
    content = read_json(bytes(data), what="The request")
    try:
        return ExplainRequest.model_validate(content)
    except ValidationError as error:
        found = [item | {"loc": ("body", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(found) from error


def _ask(store: Store, body: ExplainRequest) -> RowAnswers:
    store.get_run(body.run_id)  # an unknown run is told even when nobody holds models
    jobs.ensure_runner(store.settings)
    numbers = body.row_numbers or None
    question = Question(
        run_id=body.run_id,
        rows=body.rows or [{} for _ in body.row_numbers],
        base_rows=numbers,
        seconds=body.seconds,
        space=body.space,
    )
    return explain_rows(store.settings, question)


def _rows_problem(error: RowsError, body: ExplainRequest, where: Where) -> Response:
    def pointer(row: int, field: str) -> str:
        steps = ("rows", row, field) if body.rows else ("row_numbers", row)
        return pointer_of("body", *steps)

    errors = [
        {"pointer": pointer(row, field), "detail": what} for row, field, what in error.problems
    ]
    return problem_response(422, str(error), kind="rows", errors=errors, where=where)


def _answer(answers: RowAnswers) -> ExplainAnswer:
    section = answers.explanation
    return ExplainAnswer(
        run_id=answers.run_id,
        method=section.method,
        exact=section.exact,
        space=section.space,
        columns=section.columns,
        background_rows=section.background_rows,
        relative_error=section.relative_error,
        predictions=answers.predictions,
        classes=answers.classes,
        probabilities=answers.probabilities,
        outputs=[
            ExplainedValues(
                output=output.output,
                base_value=output.base_value,
                values=output.predictions,
                contributions=_by_column(section.columns, output.values),
                standard_errors=(
                    None if output.errors is None else _by_column(section.columns, output.errors)
                ),
            )
            for output in section.outputs
        ],
        texts=section.texts,
        notes=section.notes,
    )


def _by_column(columns: list[str], table: list[list[float]]) -> list[dict[str, float]]:
    return [dict(zip(columns, row, strict=True)) for row in table]
