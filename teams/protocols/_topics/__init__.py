"""Topics: events, subscriptions, deliveries, and choreographies with compensation."""
