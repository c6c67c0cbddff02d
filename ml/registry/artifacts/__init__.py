"""Model artifacts: signed, encrypted version directories.

A version directory `v20261123T154500-0a1b2c/` holds

* `manifest.json`: the canonical manifest, readable by anyone;
* `manifest.sig`: one line, `ed25519 KEY_ID BASE64_SIGNATURE`;
* one `NAME.sealed` per file of the version, encrypted.
"""

from ml.registry.artifacts.loader import VerifiedArtifact, load
from ml.registry.artifacts.manifest import Manifest, is_version, new_version
from ml.registry.artifacts.package import package

__all__ = ["Manifest", "VerifiedArtifact", "is_version", "load", "new_version", "package"]
