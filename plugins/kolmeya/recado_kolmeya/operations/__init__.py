"""What Kolmeya offers beside messages, each as one typed call for an account.

Requests and replies keep Kolmeya's own names of fields; their values are read into one form: times
in UTC, phones in E.164, numbers as numbers. A row that can't be read is left out and counted.
"""

from recado_kolmeya.operations import (
    accesses,
    blacklist,
    campaigns,
    catalogues,
    invalids,
    quantities,
    replies,
    reports,
    statuses,
    webhooks,
)

OPERATIONS = (
    *statuses.OPERATIONS,
    *replies.OPERATIONS,
    *catalogues.OPERATIONS,
    *blacklist.OPERATIONS,
    *campaigns.OPERATIONS,
    *reports.OPERATIONS,
    *quantities.OPERATIONS,
    *invalids.OPERATIONS,
    *accesses.OPERATIONS,
    *webhooks.OPERATIONS,
)
