"""What a program does with the client that openapi-python-client has made: signs in, creates, lists, reads a problem.

`python generated_client.py URL USERNAME PASSWORD`, in an environment that has `linli_client` and what it needs.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false

import json
import sys

from linli_client import AuthenticatedClient, Client
from linli_client.api.access import create_token_api_v1_auth_token_post as sign_in
from linli_client.api.registry import create_facility_api_v1_facilities_post as create_facility
from linli_client.api.registry import create_site_api_v1_sites_post as create_site
from linli_client.api.registry import list_facilities_api_v1_facilities_get as list_facilities
from linli_client.models import (
    BodyCreateTokenApiV1AuthTokenPost,
    FacilityItem,
    NewFacility,
    NewSite,
    PageFacilityItem,
    Problem,
    SiteItem,
    TokenItem,
)


def main(url: str, username: str, password: str) -> None:
    """Print what came of it as one JSON object."""
    form = BodyCreateTokenApiV1AuthTokenPost(username=username, password=password)
    token = sign_in.sync(client=Client(base_url=url), body=form)
    assert isinstance(token, TokenItem)
    client = AuthenticatedClient(base_url=url, token=token.access_token)
    site = create_site.sync(client=client, body=NewSite(slug="generated", name="Generated", time_zone="UTC"))
    assert isinstance(site, SiteItem)
    new = NewFacility(site=site.slug, slug="bin-1", kind="bin", name="一号桶")
    made = create_facility.sync(client=client, body=new)
    assert isinstance(made, FacilityItem)
    page = list_facilities.sync(client=client, site=site.slug)
    assert isinstance(page, PageFacilityItem)
    again = create_facility.sync(client=client, body=new)
    assert isinstance(again, Problem)
    said = {
        "created": [made.id, made.version, made.name],
        "listed": [item.id for item in page.items],
        "again": again.code,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
