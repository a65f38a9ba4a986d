//! AWS prices, and the cost of an app's usage.

/// The price of one billed unit, in US dollars for us-east-1, without the free tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// The billed unit: `million write request units`.
    pub unit: &'static str,
    /// The price of one unit.
    pub usd: f64,
    /// The second tier, if the price is different for usage beyond a monthly quantity.
    pub second_tier: Option<SecondTier>,
    /// The AWS page with the price.
    pub source: &'static str,
}

/// The second tier of a price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecondTier {
    /// The monthly quantity that is billed at the price of the first tier.
    pub quantity: f64,
    /// The price of each further unit.
    pub usd: f64,
}

impl Price {
    /// Creates a price with one tier.
    pub const fn new(unit: &'static str, usd: f64, source: &'static str) -> Self {
        Self { unit, usd, second_tier: None, source }
    }

    /// Adds a second tier.
    #[must_use]
    pub const fn with_second_tier(self, quantity: f64, usd: f64) -> Self {
        Self { second_tier: Some(SecondTier { quantity, usd }), ..self }
    }

    /// Returns the cost of a monthly quantity, in US dollars.
    pub fn cost_of(&self, quantity: f64) -> f64 {
        match self.second_tier {
            Some(beyond) => {
                quantity.min(beyond.quantity) * self.usd + (quantity - beyond.quantity).max(0.0) * beyond.usd
            }
            None => quantity * self.usd,
        }
    }
}

/// The monthly quantities that an app uses, each with its price.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage(Vec<(Price, f64)>);

impl Usage {
    /// Adds a monthly quantity that is billed at `price`.
    #[must_use]
    pub fn and(mut self, price: Price, quantity: f64) -> Self {
        // Quantities with the same price share its first tier.
        match self.0.iter_mut().find(|(other, _)| *other == price) {
            Some((_, sum)) => *sum += quantity,
            None => self.0.push((price, quantity)),
        }
        self
    }

    /// Adds all quantities of another usage.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        other.0.iter().fold(self, |sum, (price, quantity)| sum.and(*price, *quantity))
    }

    /// Returns the total cost in US dollars.
    pub fn usd(&self) -> f64 {
        self.0.iter().map(|(price, quantity)| price.cost_of(*quantity)).sum()
    }

    /// Returns the prices of the usage.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        self.0.iter().map(|(price, _)| price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_of_uses_second_tier_beyond_first() {
        let price = Price::new("unit", 1.0, "").with_second_tier(300.0, 0.9);
        assert!((price.cost_of(300.0) - 300.0).abs() < 1e-9);
        assert!((price.cost_of(400.0) - 390.0).abs() < 1e-9);
    }

    #[test]
    fn quantities_of_one_price_are_added_before_tiers() {
        let price = Price::new("unit", 1.0, "").with_second_tier(10.0, 0.5);
        let usage = Usage::default().and(price, 8.0).plus(&Usage::default().and(price, 4.0));
        assert!((usage.usd() - 11.0).abs() < 1e-9);
        assert_eq!(usage.prices().count(), 1);
    }
}
