"""What a field's name says of its values, and values that no person wrote. Pure."""

import re
from functools import lru_cache

VERSION, IP, PHONE, NATIONAL_ID, NUMBER = "version", "ip", "phone", "national id", "number"

_BETWEEN = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
# Words of names; several words in a row are written together.
_WORDS = {
    # What has numbers with dots that are no addresses.
    VERSION: {
        "version",
        "versions",
        "build",
        "release",
        "revision",
        "firmware",
        "agent",
        "ua",
        "oid",
        "semver",
    },
    IP: {"ip", "ipv4", "ipv6", "addr", "clientaddress", "remoteaddress", "ipaddress", "forwarded", "remote"},
    PHONE: {
        "phone",
        "telephone",
        "tel",
        "mobile",
        "cell",
        "cellphone",
        "msisdn",
        "fax",
        "whatsapp",
        "phonenumber",
    },
    NATIONAL_ID: {
        *(
            "ssn",
            "socialsecurity",
            "itin",
            "nino",
            "nationalinsurance",
            "dni",
            "nie",
            "bsn",
            "burgerservicenummer",
        ),
        *(
            "pesel",
            "cpf",
            "curp",
            "nir",
            "insee",
            "codicefiscale",
            "fiscalcode",
            "personnummer",
            "aadhaar",
            "sin",
        ),
        *(
            "rrn",
            "nationalid",
            "nationalnumber",
            "nationalregister",
            "taxid",
            "taxnumber",
            "personalid",
            "idnr",
        ),
        *(
            "identitynumber",
            "idnumber",
            "citizenid",
            "steuerid",
            "taxpayer",
            "socialinsurance",
            "rijksregister",
        ),
    },
    # Numbers that are counted or given out, some of which keep any checksum by chance.
    NUMBER: {
        *(
            "order",
            "sequence",
            "seq",
            "offset",
            "tracking",
            "invoice",
            "sku",
            "ean",
            "gtin",
            "barcode",
            "imei",
            "iccid",
        ),
        *(
            "batch",
            "serial",
            "part",
            "shipment",
            "parcel",
            "ticket",
            "trace",
            "span",
            "timestamp",
            "nonce",
            "hash",
        ),
        *(
            "checksum",
            "transaction",
            "txn",
            "snowflake",
            "amount",
            "total",
            "count",
            "size",
            "bytes",
            "product",
            "upc",
        ),
    },
}
_LONGEST = 3
_MACHINE_MADE = re.compile(
    # UUIDs, hashes and other hexadecimal of 24 digits or more that is not all decimal; moments of ISO 8601.
    r"\{?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\}?"
    r"|(?=[0-9]*[a-fA-F])[0-9a-fA-F]{24,}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)?"
)
DIGITS = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9]){3}").search


@lru_cache(maxsize=4096)
def of(name: str) -> frozenset[str]:
    """What a name says, such as `{"phone"}` for `customerPhone`."""
    words = [word.lower() for word in _BETWEEN.split(name[:128]) if word]
    joined = {
        "".join(words[start : start + length])
        for start in range(len(words))
        for length in range(1, _LONGEST + 1)
    }
    return frozenset(said for said, wanted in _WORDS.items() if not wanted.isdisjoint(joined))


def is_machine_made(text: str) -> bool:
    """Whether the whole text is an id, a hash or a moment, whose digits mean no person."""
    return _MACHINE_MADE.fullmatch(text) is not None
