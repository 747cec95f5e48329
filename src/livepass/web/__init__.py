"""HTTP: Apple's endpoints (raw ASGI) and the issuer API."""
