//! Waiting lists.

/// Somebody who waits for what is sold out, or has.
pub(crate) mod waiting_list_entry {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "waiting_list_entries")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) ticket_type_id: Uuid,
        pub(crate) buyer_user_id: Uuid,
        pub(crate) number: i64,
        pub(crate) quantity: i32,
        pub(crate) status: i16,
        pub(crate) reason: Option<i16>,
        pub(crate) booking_id: Option<Uuid>,
        pub(crate) version: i32,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
