//! Organizers, events, what they sell, and their stock.

/// A tenant.
pub(crate) mod organizer {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "organizers")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) slug: String,
        pub(crate) name: String,
        pub(crate) created_at: i64,
        pub(crate) version: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A person of an organizer.
pub(crate) mod member {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "members")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) organizer_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: Uuid,
        pub(crate) role: String,
        pub(crate) since: i64,
        pub(crate) all_events: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event that a member is restricted to.
pub(crate) mod member_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "member_events")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) organizer_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) event_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event.
pub(crate) mod event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) slug: String,
        pub(crate) name: String,
        pub(crate) name_folded: String,
        pub(crate) description: Option<String>,
        pub(crate) venue: Option<String>,
        pub(crate) timezone: String,
        pub(crate) start_at: i64,
        pub(crate) end_at: i64,
        pub(crate) hold_seconds: i64,
        pub(crate) currency: String,
        pub(crate) pricing: Option<String>,
        pub(crate) status: String,
        pub(crate) version: i64,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
        pub(crate) blocks_disputed: bool,
        pub(crate) waiting_list: bool,
        pub(crate) offer_seconds: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A ticket type.
pub(crate) mod ticket_type {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ticket_types")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) own_pool_id: Uuid,
        pub(crate) price: i64,
        pub(crate) min_per_booking: i32,
        pub(crate) max_per_booking: i32,
        pub(crate) max_per_buyer: Option<i32>,
        pub(crate) sales_start_at: Option<i64>,
        pub(crate) sales_end_at: Option<i64>,
        pub(crate) hidden: bool,
        pub(crate) status: String,
        pub(crate) position: i32,
        pub(crate) name: String,
        pub(crate) code_required: bool,
        pub(crate) prices: Option<String>,
        pub(crate) waiting: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A shared pool that a ticket type draws from.
pub(crate) mod ticket_type_pool {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ticket_type_pools")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) ticket_type_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) pool_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The row that orders the decisions of an event.
pub(crate) mod lane {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lanes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) event_id: Uuid,
        pub(crate) version: i64,
        pub(crate) decided_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A capacity pool.
pub(crate) mod pool {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pools")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) event_id: Uuid,
        pub(crate) capacity: Option<i64>,
        pub(crate) held: i64,
        pub(crate) sold: i64,
        pub(crate) shared: bool,
        pub(crate) name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An invitation to act for an organizer.
pub(crate) mod invitation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invitations")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) organizer_id: Uuid,
        pub(crate) email: String,
        pub(crate) role: String,
        pub(crate) all_events: bool,
        pub(crate) hash: Vec<u8>,
        pub(crate) invited_by: Uuid,
        pub(crate) created_at: i64,
        pub(crate) expires_at: i64,
        pub(crate) ended_at: Option<i64>,
        pub(crate) outcome: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event that an invitation is restricted to.
pub(crate) mod invitation_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invitation_events")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) invitation_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) event_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
