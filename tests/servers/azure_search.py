"""A server with the part of Azure AI Search's API that vector stores use.

Its clients speak TLS only: `certificate` is to be trusted, by REQUESTS_CA_BUNDLE.
"""

import datetime
import ipaddress
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from tests.servers.vector_services import Answer, Request, VectorService, similarity_of

METRICS = {"cosine": "cosine", "dotProduct": "dot", "euclidean": "euclidean"}
EQUAL = re.compile(r"\(?(\w+) (eq|gt) '([^']*)'\)?")
AMONG = re.compile(r"search\.in\((\w+), '([^']*)', '\|'\)")
Row = Mapping[str, Any]


class AzureSearchServer(VectorService):
    """A service with one index.

    Attributes:
        tells: Whether the client's key may read the definition of the index.
        refusal: Status of the answer if it may not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.index: dict[str, Any] | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self.tells, self.refusal = True, 403

    def __enter__(self) -> Self:
        super().__enter__()
        self._folder = TemporaryDirectory()
        self.certificate = Path(self._folder.name) / "certificate.pem"
        write_certificate(self.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")

    def reply(self, request: Request) -> Answer:
        match request.path:
            case ("indexes",):
                if request.method == "GET":
                    return Answer({"value": [self.index] if self.index else []})
                self.index = request.body
                return Answer(request.body, 201)
            case (_,):
                if not self.tells:
                    return Answer({"error": {"code": "", "message": "forbidden"}}, self.refusal)
                found = {"error": {"code": "", "message": "not found"}}
                return Answer(self.index) if self.index else Answer(found, 404)
            case (_, "docs", "$count"):
                return Answer(len(self.rows))
            case (_, "docs", "search.index"):
                return self._write(request.body["value"])
            case (_, "docs", "search.post.search"):
                return self._search(request.body)
        raise AssertionError(f"unexpected request: {request}")

    @property
    def fields(self) -> dict[str, Any]:
        assert self.index is not None
        return {field["name"]: field for field in self.index["fields"]}

    @property
    def key(self) -> str:
        return next(name for name, field in self.fields.items() if field.get("key"))

    def _write(self, rows: list[dict[str, Any]]) -> Answer:
        for row in rows:
            if row.pop("@search.action") == "delete":
                self.rows.pop(row[self.key], None)
            else:
                self.rows[row[self.key]] = row
        done = [{"key": row[self.key], "status": True, "statusCode": 200} for row in rows]
        return Answer({"value": done})

    def _search(self, body: Mapping[str, Any]) -> Answer:
        wanted = [name for name in (body.get("select") or "").split(",") if name]
        order = (body.get("orderby") or "").removesuffix(" asc")
        hidden = [name for name in wanted if self.fields[name].get("retrievable") is False]
        unfilterable = body.get("filter") and self.fields[self.key].get("filterable") is False
        if hidden or unfilterable or (order and not self.fields[order].get("sortable")):
            return Answer({"error": {"code": "", "message": "The request is invalid."}}, 400)
        found = [row for row in self.rows.values() if admits(body.get("filter"), row)]
        scores = {row[self.key]: 1.0 for row in found}
        for query in body.get("vectorQueries") or ():
            metric = METRICS[self._metric(query["fields"])]
            scores = {
                row[self.key]: similarity_of(metric, query["vector"], row[query["fields"]])
                for row in found
            }
            found = sorted(found, key=lambda row: -scores[row[self.key]])[: query["k"]]
        if order:
            found.sort(key=lambda row: row[order])
        page = found[body.get("skip") or 0 :][: body.get("top") or 50]
        visible = wanted or [n for n, f in self.fields.items() if f.get("retrievable") is not False]
        rows = [{name: row.get(name) for name in visible} for row in page]
        for row, source in zip(rows, page, strict=True):
            row["@search.score"] = scores[source[self.key]]
        return Answer({"value": rows})

    def _metric(self, field: str) -> str:
        assert self.index is not None
        search = self.index["vectorSearch"]
        used = self.fields[field]["vectorSearchProfile"]
        name = next(p["algorithm"] for p in search["profiles"] if p["name"] == used)
        algorithm = next(a for a in search["algorithms"] if a["name"] == name)
        parameters = algorithm.get("hnswParameters") or algorithm.get("exhaustiveKnnParameters")
        return str(parameters["metric"])


def admits(query: str | None, row: Row) -> bool:
    """Return whether a row satisfies a filter."""
    if not query:
        return True
    if among := AMONG.fullmatch(query):
        return row[among[1]] in among[2].split("|")
    parts = [EQUAL.fullmatch(part) for part in query.split(" or ")]
    return any(
        row.get(p[1]) == p[3] if p[2] == "eq" else row[p[1]] > p[3] for p in parts if p is not None
    )


def write_certificate(path: Path) -> None:
    """Write a certificate of 127.0.0.1 and its private key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
