//! Stripe's words for why money was refused, in ours.

/// What a refusal means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Refused, in one of the words of [`crate::provider::DECLINE_CODES`].
    Declined(&'static str),
    /// It failed in passing: Stripe says to try the same again.
    Passing,
}

/// Every decline code that Stripe documents (<https://docs.stripe.com/declines/codes>, October 2026) and what becomes of it.
/// A card that was lost, stolen or looks like fraud is told as plainly declined: Stripe says never to tell more, since who
/// asks may be the thief.
const DECLINES: &[(&str, Verdict)] = &[
    ("approve_with_id", Verdict::Declined("card_declined")),
    ("authentication_not_handled", Verdict::Declined("authentication_failed")),
    ("authentication_required", Verdict::Declined("authentication_failed")),
    ("call_issuer", Verdict::Declined("card_declined")),
    ("card_not_supported", Verdict::Declined("card_declined")),
    ("card_velocity_exceeded", Verdict::Declined("insufficient_funds")),
    ("currency_not_supported", Verdict::Declined("currency_not_supported")),
    ("do_not_honor", Verdict::Declined("card_declined")),
    ("do_not_try_again", Verdict::Declined("card_declined")),
    ("duplicate_transaction", Verdict::Declined("card_declined")),
    ("expired_card", Verdict::Declined("expired_card")),
    ("fraudulent", Verdict::Declined("card_declined")),
    ("generic_decline", Verdict::Declined("card_declined")),
    ("incorrect_address", Verdict::Declined("card_declined")),
    ("incorrect_cvc", Verdict::Declined("incorrect_cvc")),
    ("incorrect_number", Verdict::Declined("incorrect_number")),
    ("incorrect_pin", Verdict::Declined("card_declined")),
    ("incorrect_zip", Verdict::Declined("card_declined")),
    ("insufficient_funds", Verdict::Declined("insufficient_funds")),
    ("invalid_account", Verdict::Declined("card_declined")),
    ("invalid_amount", Verdict::Declined("card_declined")),
    ("invalid_cvc", Verdict::Declined("incorrect_cvc")),
    ("invalid_expiry_month", Verdict::Declined("expired_card")),
    ("invalid_expiry_year", Verdict::Declined("expired_card")),
    ("invalid_number", Verdict::Declined("incorrect_number")),
    ("invalid_pin", Verdict::Declined("card_declined")),
    ("issuer_not_available", Verdict::Passing),
    ("live_mode_test_card", Verdict::Declined("card_declined")),
    ("lost_card", Verdict::Declined("card_declined")),
    ("merchant_blacklist", Verdict::Declined("card_declined")),
    ("mobile_device_authentication_required", Verdict::Declined("authentication_failed")),
    ("new_account_information_available", Verdict::Declined("card_declined")),
    ("no_action_taken", Verdict::Declined("card_declined")),
    ("not_permitted", Verdict::Declined("card_declined")),
    ("offline_pin_required", Verdict::Declined("card_declined")),
    ("online_or_offline_pin_required", Verdict::Declined("card_declined")),
    ("pickup_card", Verdict::Declined("card_declined")),
    ("pin_try_exceeded", Verdict::Declined("card_declined")),
    ("processing_error", Verdict::Passing),
    ("reenter_transaction", Verdict::Passing),
    ("restricted_card", Verdict::Declined("card_declined")),
    ("revocation_of_all_authorizations", Verdict::Declined("card_declined")),
    ("revocation_of_authorization", Verdict::Declined("card_declined")),
    ("security_violation", Verdict::Declined("card_declined")),
    ("service_not_allowed", Verdict::Declined("card_declined")),
    ("stolen_card", Verdict::Declined("card_declined")),
    ("stop_payment_order", Verdict::Declined("card_declined")),
    ("test_mode_live_card", Verdict::Declined("card_declined")),
    ("testmode_decline", Verdict::Declined("card_declined")),
    ("transaction_not_allowed", Verdict::Declined("card_declined")),
    ("try_again_later", Verdict::Declined("card_declined")),
    ("withdrawal_count_limit_exceeded", Verdict::Declined("insufficient_funds")),
];

/// Error codes (<https://docs.stripe.com/error-codes>) with which Stripe refuses what was asked before a bank saw it, or
/// that stand where it has no decline code.
const ERRORS: &[(&str, Verdict)] = &[
    ("amount_too_large", Verdict::Declined("amount_too_large")),
    ("amount_too_small", Verdict::Declined("amount_too_small")),
    ("card_decline_rate_limit_exceeded", Verdict::Declined("card_declined")),
    ("card_declined", Verdict::Declined("card_declined")),
    ("charge_exceeds_source_limit", Verdict::Declined("amount_too_large")),
    ("charge_exceeds_transaction_limit", Verdict::Declined("amount_too_large")),
    ("invalid_charge_amount", Verdict::Declined("amount_too_small")),
    ("payment_intent_authentication_failure", Verdict::Declined("authentication_failed")),
    ("payment_intent_incompatible_payment_method", Verdict::Declined("unknown_payment_method")),
    ("payment_intent_payment_attempt_expired", Verdict::Declined("authentication_failed")),
    ("payment_intent_payment_attempt_failed", Verdict::Declined("card_declined")),
    ("payment_method_currency_mismatch", Verdict::Declined("currency_not_supported")),
    ("payment_method_customer_decline", Verdict::Declined("card_declined")),
    ("payment_method_invalid_parameter", Verdict::Declined("unknown_payment_method")),
    ("payment_method_not_available", Verdict::Declined("card_declined")),
    ("payment_method_provider_decline", Verdict::Declined("card_declined")),
    ("payment_method_provider_timeout", Verdict::Passing),
    ("payment_method_restricted", Verdict::Declined("card_declined")),
    ("payment_method_unactivated", Verdict::Declined("unknown_payment_method")),
    ("payment_method_unexpected_state", Verdict::Declined("unknown_payment_method")),
    ("payment_method_unsupported_type", Verdict::Declined("unknown_payment_method")),
    ("token_already_used", Verdict::Declined("unknown_payment_method")),
];

fn known(table: &[(&str, Verdict)], code: &str) -> Option<Verdict> {
    table.iter().find(|(known, _)| *known == code).map(|(_, verdict)| *verdict)
}

/// What an error with these codes means; `None` when neither is known. The decline code is the more exact one.
pub(super) fn verdict(code: Option<&str>, decline_code: Option<&str>) -> Option<Verdict> {
    let by_bank = decline_code.and_then(|code| known(DECLINES, code));
    by_bank.or_else(|| code.and_then(|code| known(ERRORS, code).or_else(|| known(DECLINES, code))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::DECLINE_CODES;

    #[test]
    fn every_refusal_has_a_stable_word() {
        for table in [DECLINES, ERRORS] {
            for (code, verdict) in table {
                if let Verdict::Declined(word) = verdict {
                    assert!(DECLINE_CODES.contains(word), "{code} → {word}");
                }
                assert_eq!(table.iter().filter(|(known, _)| known == code).count(), 1, "{code}");
            }
        }
        assert!(DECLINES.len() >= 50, "the page lists fifty");
    }

    #[test]
    fn a_thief_is_not_told_that_he_was_found_out() {
        for code in ["fraudulent", "lost_card", "stolen_card", "pickup_card", "merchant_blacklist", "restricted_card"] {
            assert_eq!(verdict(Some("card_declined"), Some(code)), Some(Verdict::Declined("card_declined")), "{code}");
        }
    }

    #[test]
    fn the_banks_word_goes_before_stripes() {
        let said = |code, decline| verdict(code, decline);
        assert_eq!(
            said(Some("card_declined"), Some("insufficient_funds")),
            Some(Verdict::Declined("insufficient_funds"))
        );
        assert_eq!(said(Some("expired_card"), None), Some(Verdict::Declined("expired_card")));
        assert_eq!(said(Some("processing_error"), None), Some(Verdict::Passing));
        assert_eq!(said(Some("card_declined"), Some("of_next_year")), Some(Verdict::Declined("card_declined")));
        assert_eq!(said(Some("of_next_year"), None), None);
    }
}
