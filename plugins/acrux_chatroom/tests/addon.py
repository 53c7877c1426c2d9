"""The half of ChatRoom that calls its endpoint, with the library and headers that it uses."""

import json

import requests

TIMEOUT = (10, 20)

METHODS = {
    "send": "post",
    "msg_set_read": "post",
    "config_get": "get",
    "config_set": "post",
    "status_get": "get",
    "status_logout": "post",
    "contact_get": "get",
    "contact_get_all": "get",
    "init_free_test": "post",
    "whatsapp_number_get": "get",
    "template_get": "get",
    "opt_in": "post",
    "delete_message": "delete",
}
PATHS = {
    "config_set": "config",
    "contact_get": "contact",
    "send": "sendMessage",
    "msg_set_read": "readChat",
    "status_get": "status",
    "status_logout": "logout",
    "template_get": "templates",
}
WITH_PATHS = {"facebook", "instagram", "waba_extern"}
"""The kinds of connector that put the action into the address."""

DEFAULT_ERRORS = {
    202: "3rd party connector error. Please try again or check configuration.",
    204: "3rd party connector not implement this option.",
    400: "Bad request. Please pass a valid value in the parameters.",
    403: "Forbidden. Invalid authentication.",
    404: "Connector URL not found. Please set correctly.",
    500: "Internal server error. Please try again.",
}


class ShownError(Exception):
    """What the agent or the administrator sees in a dialog; the transaction is rolled back."""


class Connector:
    """One connector's record, and its calls."""

    def __init__(self, uuid, token, endpoint, kind="apichat.io"):
        self.uuid = uuid
        self.token = token
        self.endpoint = endpoint or ""
        self.odoo_url = "https://odoo.example.com"
        self.kind = kind
        self.ca_status = False
        self.message = ""
        self.generation = 15

    @property
    def webhook_url(self):
        return f"{self.odoo_url.rstrip('/')}/acrux_webhook/whatsapp_connector/{self.uuid}"

    def call(self, action, data=None, params=None, timeout=TIMEOUT):
        """Do what ``ca_request`` does, and return the answer's JSON."""
        url = self.endpoint.strip("/")
        name = action
        if self.kind in WITH_PATHS:
            name = PATHS[action]
            url = f"{url}/{name}"
        args = {
            "url": url,
            "headers": {
                "Accept": "application/json",
                "token": self.token,
                "client_id": self.uuid,
                "action": name,
                "Content-Type": "application/json",
            },
            "timeout": timeout,
        }
        if data:
            args["data"] = json.dumps(data)
        if params:
            args["params"] = params
        if name == "status_logout":
            args["data"] = json.dumps({})
        try:
            response = getattr(requests, METHODS[action])(**args)
        except requests.exceptions.ConnectTimeout as error:
            raise ShownError("Timeout error. Try again...") from error
        except requests.exceptions.RequestException as error:
            raise ShownError(
                f"Could not connect to your account. {type(error).__name__}"
            ) from error
        return self.read(response)

    def read(self, response):
        """Do what ``response_handler`` does."""
        if self.kind in WITH_PATHS:
            if response.status_code != 200:
                raise ShownError(response.text or response.reason)
            return response.json()
        try:
            told = response.json()
        except ValueError:
            told = {}
        if response.status_code != 200:
            default = DEFAULT_ERRORS.get(response.status_code, "Unknown error.")
            raise ShownError(told.get("error", default))
        return told

    # ---------------------------------------------------------------- what people press

    def send(self, message):
        """Do what ``message_send`` does, and return the ``msgid``."""
        if not self.ca_status:
            raise ShownError("Sorry, you can't send messages. The connector is not connected.")
        if len(message.get("text") or "") >= 4000:
            raise ShownError("Message is to large (4.000 caracters).")
        if not (told := self.call("send", message)).get("msg_id"):
            raise ShownError("Server error.")
        return told["msg_id"]

    def check_status(self):
        """Press "Check Status"; return the text that pops up."""
        if self.kind in WITH_PATHS:
            told = self.call("status_get", params={"webhook": self.webhook_url}, timeout=20)
            ok, text = (
                told["is_connected"],
                "Connected." if told["is_connected"] else told["reason"],
            )
        else:
            status = self.call("status_get", timeout=20)["status"]
            ok, text = bool(status.get("acrux_ok")), status.get("acrux_ok") or status["acrux_er"]
        self.ca_status, self.message = ok, text
        if ok:
            self.config_set()
        return text

    def config_set(self):
        info = {"odoo_url": self.odoo_url, "lang": "pt_BR", "phone": False, "name": "Empresa"}
        return self.call("config_set", {"webhook": self.webhook_url, "info": info})

    def logout(self):
        told = self.call("status_logout", timeout=20)
        self.ca_status = False
        return told

    def get_contact(self, number):
        """Fetch a person's name and picture; errors are swallowed."""
        try:
            told = self.call("contact_get", params={"chatId": f"{number}@c.us"}, timeout=5)
            return (told.get("name") or "").strip()
        except Exception:  # noqa: BLE001  # as the addon has it
            return ""

    def get_chat_list(self):
        dialogs = self.call("contact_get_all").get("dialogs", [])
        return {
            user.get("id", "").split("@")[0]: (user.get("name", ""), user.get("image", ""))
            for user in dialogs
        }

    def set_read(self, number=None, msgids=None):
        """Say that an agent has the conversation open; errors are ignored."""
        data = {"message_ids": msgids} if msgids else {"phone": number}
        if self.generation >= 16 and number:
            data["chat_type"] = "normal"
        return self.call("msg_set_read", data, timeout=5)

    def check_numbers(self, numbers):
        """Validate numbers; a reply of another shape breaks here as it does there."""
        told = self.call("whatsapp_number_get", params={"numbers": ",".join(numbers)}, timeout=30)
        found = {}
        for entry in told.get("numbers", []):
            found[entry["id"]] = (bool(entry["whatsapp_id"] or ""), entry["whatsapp_id"])
        assert told["date_due"] is False
        assert told["remain_limit"] <= told["limit"]
        return found

    def get_templates(self):
        return [template["id"] for template in self.call("template_get")]

    def delete_message(self, number, msgid):
        params = {"number": number, "msg_id": msgid, "for_me": False, "from_me": True}
        return self.call("delete_message", params=params)
