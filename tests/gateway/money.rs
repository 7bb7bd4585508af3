//! What is charged, to the nano-dollar, alone and at once.

use crate::harness::{Haven, ask};

#[actix_web::test]
async fn an_answer_is_charged_once_and_says_what_it_cost() {
    let haven = Haven::start().await;
    let workspace = haven.workspace("1.00").await;
    let reply = haven.chat(&workspace.key, &ask("gpt-sim", "Hello")).await.ok();
    assert!(reply.cost() > 0);
    let settled = haven.settled_balance(&workspace).await;
    assert_eq!(settled.balance, 1_000_000_000 - reply.cost());
    haven.finish().await;
}
