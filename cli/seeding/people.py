"""Customers with their places, devices and payment methods, and products."""

from dataclasses import dataclass
from datetime import timedelta, timezone
from random import Random

PEOPLE = 400
FIRST_USER = 100_000
# City, country, hours from UTC (standard time throughout the year).
HOMES = (
    ("Berlin, Germany", 1.0),
    ("Hamburg, Germany", 1.0),
    ("Lyon, France", 1.0),
    ("Madrid, Spain", 1.0),
    ("London, United Kingdom", 0.0),
    ("Lisbon, Portugal", 0.0),
    ("Warsaw, Poland", 1.0),
    ("Athens, Greece", 2.0),
    ("New York, United States", -5.0),
    ("Chicago, United States", -6.0),
    ("San Francisco, United States", -8.0),
    ("Toronto, Canada", -5.0),
    ("São Paulo, Brazil", -3.0),
    ("Mumbai, India", 5.5),
    ("Singapore, Singapore", 8.0),
    ("Tokyo, Japan", 9.0),
    ("Sydney, Australia", 10.0),
)
# Countries of high risk in the fraud rules (the FATF's call for action).
RISKY_PLACES = (("Pyongyang, North Korea", 9.0), ("Tehran, Iran", 3.5), ("Yangon, Myanmar", 6.5))
SHOPS = (
    "Kornblume Market", "Atlas Electronics", "Blue Harbor Coffee", "Fjord Outdoor", "Papier & Tinte", "Sol Pharmacy",
    "Metro Transit", "Juniper Books", "Green Basket", "Nimbus Streaming", "Harbour Fuel", "Linden Apparel",
)  # fmt: skip
BAIT_SHOPS = ("QuickGift Cards", "LuxWatch Outlet", "CoinBridge Exchange")
METHODS = ("credit_card", "credit_card", "credit_card", "debit_card", "debit_card", "paypal", "bank_transfer")
CURRENCIES = {"Germany": "EUR", "France": "EUR", "Spain": "EUR", "Portugal": "EUR", "Greece": "EUR"}
CURRENCIES |= {"United Kingdom": "GBP", "Poland": "PLN", "Canada": "CAD", "Brazil": "BRL", "India": "INR"}
CURRENCIES |= {"Singapore": "SGD", "Japan": "JPY", "Australia": "AUD"}


@dataclass(frozen=True, slots=True)
class Person:
    """A customer. `median_cents` is the median of their payments."""

    number: int
    location: str
    zone: timezone
    method: str
    devices: tuple[str, ...]
    median_cents: int

    @property
    def city(self) -> str:
        return self.location.rsplit(", ", 1)[0]

    @property
    def country(self) -> str:
        return self.location.rsplit(", ", 1)[1]

    @property
    def currency(self) -> str:
        return CURRENCIES.get(self.country, "USD")


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the shop."""

    id: str
    cents: int


def zone(hours: float) -> timezone:
    """A time zone so many hours from UTC."""
    return timezone(timedelta(hours=hours))


def people(rng: Random, count: int = PEOPLE) -> list[Person]:
    """The customers."""
    made = []
    for number in range(FIRST_USER, FIRST_USER + count):
        location, hours = rng.choice(HOMES)
        devices = tuple(f"device_{rng.getrandbits(40):010x}" for _ in range(rng.choice((1, 1, 2))))
        median = round(rng.lognormvariate(8.3, 0.6))
        made.append(Person(number, location, zone(hours), rng.choice(METHODS), devices, median))
    return made


def shelf(rng: Random, count: int = 60) -> list[Product]:
    """The products, most of them cheap."""
    return [
        Product(f"prod_{1000 + number}", max(199, round(rng.lognormvariate(7.8, 0.9))))
        for number in range(count)
    ]
