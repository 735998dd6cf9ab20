"""Models of the kind that people hand to a client library as tools and response formats; their schemas are pydantic's own."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AnyUrl, BaseModel, ConfigDict, Field

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Priority(IntEnum):
    LOW = 1
    HIGH = 3


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    zip: str = Field(pattern=r"^\d{5}$")
    country: str = "NO"


class Person(BaseModel):
    name: str = Field(min_length=1, max_length=80)
    age: int | None = Field(default=None, ge=0, lt=150)
    home: Address
    work: Address | None = None


class Order(BaseModel):
    id: UUID
    placed: datetime
    total: Decimal
    lines: list["Line"] = Field(min_length=1)


class Line(BaseModel):
    sku: str
    count: Annotated[int, Field(gt=0)]
    note: str | None = None


class Tree(BaseModel):
    value: str
    children: list["Tree"] = []


class Linked(BaseModel):
    value: int
    next: "Linked | None" = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Paint(BaseModel):
    colour: Colour
    priority: Priority = Priority.LOW
    mode: Literal["fast", "slow"] | None = None


class Scores(BaseModel):
    by_name: dict[str, float]
    nested: dict[str, list[Address]] = {}


class Point(BaseModel):
    at: tuple[float, float]
    path: list[tuple[int, str]] = []


class Page(BaseModel, Generic[T]):
    items: list[T]
    total: int


class Pages(BaseModel):
    people: Page[Person]
    orders: Page[Order]


class Event(BaseModel):
    title: str
    day: date
    where: AnyUrl | None = None
    who: list[Annotated[str, Field(json_schema_extra={"format": "email"})]] = []


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str
    force: bool = False


class Odd(BaseModel):
    """Names that look like keywords."""

    type: str
    title: str
    properties: dict[str, str]
    ref: str = Field(alias="$ref")
    enum: list[str]


class Anything(BaseModel):
    payload: Any
    extra: dict[str, Any]


class Choice(BaseModel):
    value: str | int | bool | None
    many: list[str | int]


class Bounded(BaseModel):
    share: float = Field(gt=0, lt=1)
    step: int = Field(multiple_of=5)
    unique: set[str]


class Person2(Person):
    """Inherits."""

    manager: Person | None = None
    reports: list[Person] = []


MODELS: list[type[BaseModel]] = [
    Address,
    Person,
    Order,
    Tree,
    Linked,
    Pet,
    Paint,
    Scores,
    Point,
    Pages,
    Event,
    Strict,
    Odd,
    Anything,
    Choice,
    Bounded,
    Person2,
    Page[int],
    Cat,
    Line,
]
