"""The Swiss payment slip: the prescribed labels and the data."""

from typing import Any

from chalicelib.documents.payment_codes import SwissBill

# Style Guide QR-bill, section 3.4. For other languages the slip is in English.
_WORDS = {
    "en": (
        "Payment part", "Receipt", "Account / Payable to", "Reference", "Additional information", "Payable by",
        "Payable by (name/address)", "Currency", "Amount", "Acceptance point", "Separate before paying in",
    ),
    "de": (
        "Zahlteil", "Empfangsschein", "Konto / Zahlbar an", "Referenz", "Zusätzliche Informationen", "Zahlbar durch",
        "Zahlbar durch (Name/Adresse)", "Währung", "Betrag", "Annahmestelle", "Vor der Einzahlung abzutrennen",
    ),
    "fr": (
        "Section paiement", "Récépissé", "Compte / Payable à", "Référence", "Informations supplémentaires",
        "Payable par", "Payable par (nom/adresse)", "Monnaie", "Montant", "Point de dépôt",
        "A détacher avant le versement",
    ),
    "it": (
        "Sezione pagamento", "Ricevuta", "Conto / Pagabile a", "Riferimento", "Informazioni supplementari",
        "Pagabile da", "Pagabile da (nome/indirizzo)", "Valuta", "Importo", "Punto di accettazione",
        "Da staccare prima del versamento",
    ),
}  # fmt: skip
_WORD_KEYS = (
    "payment_part", "receipt", "account", "reference", "information", "payable_by", "payable_by_blank", "currency",
    "amount", "acceptance", "separate",
)  # fmt: skip
_CODE_ALTERNATIVES = {
    "en": "Swiss QR code for the payment of {}",
    "de": "Swiss QR Code zur Zahlung von {}",
    "fr": "Swiss QR Code pour le paiement de {}",
    "it": "Swiss QR Code per il pagamento di {}",
}


def build_slip_data(bill: SwissBill, language: str) -> dict[str, Any]:
    """Return the template data of the slip, in ``language`` if there is a Swiss one."""
    own = language if language in _WORDS else "en"
    return {
        "language": own,
        "words": dict(zip(_WORD_KEYS, _WORDS[own], strict=True)),
        "alternative": _CODE_ALTERNATIVES[own].format(f"{bill.currency} {bill.amount}"),
        "creditor": list(bill.creditor),
        "debtor": list(bill.debtor),
        "iban": bill.iban,
        "reference_number": bill.reference,
        "reason": bill.reason,
        "currency_code": bill.currency,
        "amount_written": bill.amount,
    }
