"""One module a scenario: TITLE, and run(context, options), which fills cases into the results."""

from lib.scenarios import leaves, memory, shapes, size, tickets, two_servers, verify, window

ALL = {"window": window, "tickets": tickets, "two_servers": two_servers, "verify": verify, "memory": memory,
       "size": size, "leaves": leaves, "shapes": shapes}
