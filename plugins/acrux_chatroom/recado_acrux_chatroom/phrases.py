"""What agents read: every text in both languages."""

import msgspec

from recado_acrux_chatroom.settings import Language


class Phrases(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of one language.

    ``statuses`` are by the last part of an event's type, ``refusals`` by the code of the gateway's.
    """

    wrong_credentials: str
    no_client_id: str
    unreadable: str
    unknown_action: str
    no_free_test: str
    no_number: str
    no_group: str
    no_id: str
    no_text: str
    too_long: str
    no_file_address: str
    no_files: str
    no_such_type: str
    refused: str
    refusals: dict[str, str]
    busy: str
    statuses: dict[str, str]
    notes: dict[str, str]


PORTUGUESE = Phrases(
    wrong_credentials="O Account ID ou o Token do conector não é o da configuração do Recado.",
    no_client_id=(
        "O cabeçalho client_id não chegou ao Recado: um proxy como o nginx o descarta "
        "(underscores_in_headers)."
    ),
    unreadable="O Recado não conseguiu ler este pedido.",
    unknown_action="O Recado não conhece esta ação do ChatRoom.",
    no_free_test="Este conector é do Recado; o teste grátis é da AcruxLab.",
    no_number="O número desta conversa não é válido. Ele precisa do código do país, como 55.",
    no_group="Este canal não envia mensagens a grupos.",
    no_id="A mensagem chegou ao Recado sem identificação.",
    no_text="A mensagem está vazia.",
    too_long="A mensagem é longa demais: o limite é de 3.999 caracteres.",
    no_file_address="O arquivo não tem um endereço válido. Confira a Odoo Url do conector.",
    no_files="Este canal só leva texto: o arquivo não pode ser enviado.",
    no_such_type="Este canal não leva mensagens deste tipo. Escreva em texto.",
    refused="O Recado não aceitou a mensagem.",
    refusals={
        "invalid_address": "O número desta conversa não serve para este canal.",
        "no_route": "Este canal não está configurado no Recado. Avise o administrador.",
        "empty": "A mensagem está vazia.",
        "too_long": "A mensagem é longa demais para este canal.",
        "no_media": "Este canal só leva texto: o arquivo não pode ser enviado.",
        "suppressed": "Esta pessoa não recebe mensagens: o número dela está bloqueado no Recado.",
        "key_reused": "Outra mensagem já chegou ao Recado com a mesma identificação.",
    },
    busy="O Recado não pode aceitar a mensagem agora. Tente novamente em instantes.",
    statuses={
        "failed": "Não enviada",
        "undelivered": "Não entregue",
        "rejected": "Recusada",
        "expired": "Expirada",
        "suppressed": "Não enviada, o destinatário está bloqueado",
        "canceled": "Cancelada",
        "delivered": "Entregue",
        "read": "Lida",
        "unknown": "Não se sabe se chegou",
    },
    notes={"sent": "enviado", "delivered": "entregue", "received": "recebido"},
)

ENGLISH = Phrases(
    wrong_credentials="The connector's Account ID or Token is not that of Recado's configuration.",
    no_client_id=(
        "The header client_id did not reach Recado: a proxy such as nginx drops it "
        "(underscores_in_headers)."
    ),
    unreadable="Recado can't read this request.",
    unknown_action="Recado does not know this action of ChatRoom's.",
    no_free_test="This connector is Recado's; the free test is AcruxLab's.",
    no_number="This conversation's number is not valid. It needs its country code, such as 55.",
    no_group="This channel sends nothing to groups.",
    no_id="The message came to Recado without an id.",
    no_text="The message is empty.",
    too_long="The message is too long: the limit is 3,999 characters.",
    no_file_address="The file has no valid address. See the connector's Odoo Url.",
    no_files="This channel carries text alone: the file can't be sent.",
    no_such_type="This channel carries no messages of this type. Write a text.",
    refused="Recado did not accept the message.",
    refusals={
        "invalid_address": "This conversation's number is not one for this channel.",
        "no_route": "This channel is not configured in Recado. Tell the administrator.",
        "empty": "The message is empty.",
        "too_long": "The message is too long for this channel.",
        "no_media": "This channel carries text alone: the file can't be sent.",
        "suppressed": "This person gets no messages: the number is on Recado's suppression list.",
        "key_reused": "Another message came to Recado under the same id.",
    },
    busy="Recado can't accept the message now. Try again in a moment.",
    statuses={
        "failed": "Not sent",
        "undelivered": "Not delivered",
        "rejected": "Rejected",
        "expired": "Expired",
        "suppressed": "Not sent, the recipient is suppressed",
        "canceled": "Canceled",
        "delivered": "Delivered",
        "read": "Read",
        "unknown": "Nobody can say whether it arrived",
    },
    notes={"sent": "sent", "delivered": "delivered", "received": "received"},
)

PHRASES: dict[Language, Phrases] = {Language.PORTUGUESE: PORTUGUESE, Language.ENGLISH: ENGLISH}
