"""An OpenID Connect issuer whose tokens are made for Inlet."""

from local_aws.tests import issuer

OTHER_KEY = issuer.OTHER_KEY


class Issuer(issuer.Issuer):
    """Names Inlet's audience in its tokens."""

    audience = "inlet"
