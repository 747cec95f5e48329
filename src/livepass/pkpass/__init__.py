"""The .pkpass file: bytes in, bytes out. Knows no clock, no disk but a template folder, and nothing else of livepass.

template = Template.from_folder("membership")
signer = Signer.from_p12(p12, password)
document = template.render({"points": 120}, {"serialNumber": "42"})
for problem in lint(document, template.static, signer.facts): ...
package = build(template.static, canonical(document), signer, at)
verify(read(package))
"""

from __future__ import annotations

from livepass.pkpass.bundle import Signs, StaticFiles, build, manifest
from livepass.pkpass.certificate import CertificateFacts, RootEvidence
from livepass.pkpass.cms_read import SignatureFacts, verify_signature
from livepass.pkpass.errors import (
    CertificateNotValid,
    CertificateRefused,
    DataProblem,
    InvalidDocument,
    InvalidPackage,
    InvalidSignature,
    PkpassError,
    TemplateDataError,
    TemplateError,
)
from livepass.pkpass.limits import Limits
from livepass.pkpass.lint import RULES, Problem, Rule, grants_needed, lint, lint_bytes, shared_messages
from livepass.pkpass.merge import merge_patch
from livepass.pkpass.reader import Package, read
from livepass.pkpass.samples import lint_template
from livepass.pkpass.schema import document_schema
from livepass.pkpass.signature import Signer
from livepass.pkpass.since import IOS, ios_names
from livepass.pkpass.strict_json import canonical
from livepass.pkpass.template import Template
from livepass.pkpass.variables import Variable, VariableType
from livepass.pkpass.verifier import Verified, verify

__all__ = [
    "IOS",
    "RULES",
    "CertificateFacts",
    "CertificateNotValid",
    "CertificateRefused",
    "DataProblem",
    "InvalidDocument",
    "InvalidPackage",
    "InvalidSignature",
    "Limits",
    "Package",
    "PkpassError",
    "Problem",
    "RootEvidence",
    "Rule",
    "SignatureFacts",
    "Signer",
    "Signs",
    "StaticFiles",
    "Template",
    "TemplateDataError",
    "TemplateError",
    "Variable",
    "VariableType",
    "Verified",
    "build",
    "canonical",
    "document_schema",
    "grants_needed",
    "ios_names",
    "lint",
    "lint_bytes",
    "lint_template",
    "manifest",
    "merge_patch",
    "read",
    "shared_messages",
    "verify",
    "verify_signature",
]
