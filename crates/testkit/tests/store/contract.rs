//! The contract of the storage ports, on both engines. The PostgreSQL half fails where none is given: run `make test`.

use goticket_testkit::contract;
use goticket_testkit::databases::{Engine, TestDatabase};

/// One test for each promise and engine.
macro_rules! on_both_engines {
    ($($port:ident: [$($promise:ident),+ $(,)?]),+ $(,)?) => {$(
        mod $port {
            use super::*;

            mod sqlite {
                use super::*;
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    contract::$port::$promise(TestDatabase::create(Engine::Sqlite).await).await;
                })+
            }

            mod postgres {
                use super::*;
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    contract::$port::$promise(TestDatabase::create(Engine::Postgres).await).await;
                })+
            }
        }
    )+};
}

on_both_engines! {
    audit: [
        lines_are_sealed_and_verify,
        tampering_is_found,
        tampering_with_lines_that_wait_is_found,
        lines_that_wait_without_digests_are_sealed,
        two_sealers_make_one_chain,
        the_beginning_goes_and_the_rest_verifies,
        personal_fields_are_erased_and_the_rest_verifies,
    ],
    lanes: [
        a_batch_is_read_as_it_was_written,
        notices_wait_until_they_are_told,
        sales_are_loaded_whole,
        the_constraint_has_the_last_word,
        what_does_not_change_is_a_conflict,
        a_hold_is_confirmed,
        a_thousand_bookings_are_one_batch,
        dropping_rolls_back,
        a_busy_lane_is_left_out,
        a_commit_is_proved_by_its_outbox,
        lapsed_holds_come_oldest_first,
        holdings_are_what_a_buyer_occupies,
        a_lane_tells_whether_it_is_booked,
        answers_are_kept_once,
        capacity_and_stock_change_together,
        terms_are_changed_and_added,
        a_deleted_event_is_gone,
        lanes_of_a_transaction_commit_together,
    ],
    second_factors: [
        a_second_factor_is_saved_and_replaced,
        a_recovery_code_is_taken_once,
        challenges_are_bounded,
        all_of_it_goes_with_the_factor,
    ],
    race: [one_ticket_is_sold_once, replicas_sell_no_more_than_there_is, what_comes_back_is_counted_once],
    bookings: [parties_are_those_of_the_booking, what_is_still_held_is_told, parts_of_prices_are_kept, pages_are_newest_first, lists_are_filtered, cancelled_events_are_found_while_they_have_stock, open_bookings_are_paged],
    catalog: [
        a_slug_is_taken_once,
        a_sale_is_read_as_it_was_inserted,
        organizers_come_in_pages,
        events_are_found,
        a_member_has_a_reach,
        members_come_in_pages,
        a_team_is_changed_by_one,
        a_new_owner_is_seen_by_his_deletion,
        a_locked_account_may_be_referred_to,
        invitations_are_kept,
    ],
    identity: [
        an_address_is_taken_once,
        one_of_two_registrations_wins,
        an_account_is_saved,
        demotions_are_seen_after_the_wait,
        sessions_live_and_die,
        signing_keys_are_made_by_one,
        sessions_have_an_owner,
        api_keys_are_kept,
        a_mailed_token_is_taken_once,
        a_wish_for_another_address_is_kept,
        an_address_moves_to_where_nobody_is,
        sessions_of_an_account_are_found,
        an_account_is_erased,
    ],
    external_identities: [an_identity_is_kept, a_subject_is_linked_once, a_code_is_taken_once],
    jobs: [
        a_job_is_put_in_once,
        the_longest_waiting_is_leased,
        an_old_fence_holds_nothing,
        a_job_moves_on_with_what_it_has_done,
        a_job_that_is_roused_runs_again,
        what_rests_keeps_its_place,
        a_job_has_one_worker,
        old_answers_are_purged,
        kinds_have_their_places_apart,
    ],
    tickets: [
        tickets_are_read_as_they_were_written,
        a_unit_has_one_ticket,
        an_issue_never_comes_back,
        a_cancelled_ticket_takes_its_unit_along,
        a_ticket_is_blocked_by_staff_or_by_a_dispute,
        attendees_are_put_in_their_place,
        ticket_keys_are_numbered,
        wrong_tickets_are_found,
        old_bookings_get_their_tickets,
        entries_are_read_as_they_were_written,
        one_entry_of_a_ticket_counts,
        check_in_lists_are_kept,
        entries_are_counted_by_gates,
        door_news_come_in_portions,
    ],
    pass_issuers: [an_organizer_has_one_issuer_a_wallet],
    payments: [
        payments_are_read_as_they_were_written,
        one_payment_is_open_and_a_message_is_seen_once,
        what_is_being_paid_does_not_lapse,
        messages_of_providers_are_forgotten,
        what_providers_told_is_kept_as_it_came,
        cases_are_found, money_of_another_currency_is_kept_as_it_came, all_payments_are_read_in_portions,
        wrong_money_is_found,
        old_bookings_get_their_payments,
    ],
    invoices: [
        documents_are_read_as_they_were_written,
        the_database_has_the_last_word,
        what_is_due_waits_until_it_is_settled,
        two_workers_number_without_gaps,
        an_organizer_whose_invoices_fail_keeps_nobody_waiting,
        a_booking_gets_what_it_lacks_once,
        documents_are_never_changed,
        wrong_documents_are_found,
    ],
    privacy: [
        attendees_are_forgotten_after_the_event,
        the_outbox_loses_its_beginning_and_verifies,
        a_guest_is_erased,
    ],
    waiting_lists: [
        who_waits_comes_by_numbers,
        an_entry_is_open_until_its_offer_ends,
        entries_are_read_with_what_became_of_them,
        lanes_are_found_in_which_somebody_could_be_served,
    ],
    unit: [dropping_rolls_back, messages_are_appended, answers_are_kept_once],
    upkeep: [
        migrations_run_once,
        a_file_has_one_server,
        an_address_must_be_one,
        cut_connections_are_survived,
        a_cut_transaction_leaves_nothing,
        verify_finds_what_is_wrong,
    ],
}

/// What counts in memory.
mod limits_in_memory {
    use std::sync::Arc;

    use adapter_memory::MemoryRateLimiter;
    use application::clock::Clock;
    use application::guard::{LimitRates, RateLimiter};

    use super::contract::limits;

    fn memory(rates: &LimitRates, clock: Arc<dyn Clock>) -> Arc<dyn RateLimiter> {
        Arc::new(MemoryRateLimiter::new(rates, MemoryRateLimiter::KEYS_MAX, clock))
    }

    macro_rules! promises {
        ($($promise:ident),+ $(,)?) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                limits::$promise(memory).await;
            }
        )+};
    }

    promises![
        units_come_back_evenly,
        several_units_are_taken_together,
        limits_are_asked_in_order,
        looking_is_like_taking_without_taking,
        units_are_given_back,
        a_clock_may_step_back,
        many_at_a_time_are_counted_one_by_one,
    ];
}

/// What is dropped is rolled back in the background; a runtime that shuts down drops that too, at once and for good.
#[test]
fn a_unit_of_work_ends_with_its_runtime() {
    use application::store::Store;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let database = runtime.block_on(async {
        let database = TestDatabase::create(Engine::Postgres).await;
        let unit = database.database.begin().await.expect("a unit of work");
        tokio::spawn(async move {
            let _unit = unit;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        database
    });
    drop(runtime);
    drop(database);
}

mod payment_provider {
    use super::contract::payment_provider;

    macro_rules! promises {
        ($($promise:ident),+ $(,)?) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                payment_provider::$promise().await;
            }
        )+};
    }

    promises![
        money_is_taken_once,
        what_is_unknown_is_said_to_be,
        a_success_is_not_called_off,
        a_lost_answer_is_asked_for,
        a_buyer_decides_on_a_page,
        money_goes_back_once,
        its_books_are_read_by_pages,
        messages_are_sent_until_they_are_taken,
        messages_outlive_the_process,
        messages_are_lost_and_doubled_on_purpose,
        only_who_knows_the_secret_is_believed,
        silence_says_nothing,
    ];
}
