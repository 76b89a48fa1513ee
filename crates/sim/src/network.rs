//! A network that loses, delays, repeats and reorders what it carries, and cuts clients off for a while.
//!
//! It carries whole messages: what a client does about a lost answer (it asks again under the same `client_order_id`) is the
//! same whether a packet, a connection or a process was lost.

use crate::workload::Rng;

/// How bad the network is, in a thousand messages.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How many are lost.
    pub lost: u64,
    /// How many come twice.
    pub repeated: u64,
    /// How many take much longer than others.
    pub delayed: u64,
    /// The usual delay.
    pub delay_ns: i64,
    /// The longest one.
    pub longest_delay_ns: i64,
}

impl Weather {
    /// Everything arrives, once, and soon.
    pub const CALM: Self = Self { lost: 0, repeated: 0, delayed: 0, delay_ns: 50_000, longest_delay_ns: 50_000 };

    /// Some weather, drawn.
    pub fn draw(rng: &mut Rng) -> Self {
        let delay_ns = rng.pick(&[20_000, 100_000, 1_000_000]);
        Self {
            lost: rng.pick(&[0, 0, 10, 100, 300]),
            repeated: rng.pick(&[0, 10, 100, 400]),
            delayed: rng.pick(&[0, 20, 200]),
            delay_ns,
            longest_delay_ns: delay_ns * rng.pick(&[1, 10, 40]),
        }
    }
}

/// The network between the clients and the node.
#[derive(Clone, Debug)]
pub struct Network {
    rng: Rng,
    weather: Weather,
    /// Until when each client is cut off.
    cut_until_ns: Vec<i64>,
    /// Messages lost, for the report.
    pub lost: u64,
    /// Messages that came twice, for the report.
    pub repeated: u64,
}

impl Network {
    /// A network for so many clients.
    pub fn new(seed: u64, weather: Weather, clients: usize) -> Self {
        Self { rng: Rng::new(seed), weather, cut_until_ns: vec![i64::MIN; clients], lost: 0, repeated: 0 }
    }

    /// From now on everything arrives.
    pub fn heal(&mut self) {
        self.weather = Weather::CALM;
        self.cut_until_ns.fill(i64::MIN);
    }

    /// Cuts a client off until then.
    pub fn cut(&mut self, client: usize, until_ns: i64) {
        self.cut_until_ns[client] = until_ns;
    }

    /// When a message from or to a client arrives that is sent now: never, once, or twice.
    pub fn arrivals(&mut self, client: usize, now_ns: i64) -> Vec<i64> {
        if now_ns < self.cut_until_ns[client] || self.rng.chance(self.weather.lost) {
            self.lost += 1;
            return Vec::new();
        }
        let twice = self.rng.chance(self.weather.repeated);
        self.repeated += u64::from(twice);
        (0..=u64::from(twice))
            .map(|_| {
                let most = if self.rng.chance(self.weather.delayed) {
                    self.weather.longest_delay_ns
                } else {
                    self.weather.delay_ns
                };
                now_ns + self.rng.between(most / 4, most)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calm_network_carries_everything_once() {
        let mut network = Network::new(1, Weather::CALM, 2);
        for now_ns in 0..1000 {
            let arrivals = network.arrivals(1, now_ns);
            assert!(matches!(arrivals[..], [at] if at > now_ns), "{arrivals:?}");
        }
    }

    #[test]
    fn a_client_that_is_cut_off_hears_nothing_and_the_others_do() {
        let mut network = Network::new(1, Weather::CALM, 2);
        network.cut(0, 100);
        assert_eq!(network.arrivals(0, 99), []);
        assert_eq!(network.arrivals(0, 100).len(), 1);
        assert_eq!(network.arrivals(1, 99).len(), 1);
    }

    #[test]
    fn bad_weather_loses_and_repeats() {
        let weather = Weather { lost: 300, repeated: 300, delayed: 100, delay_ns: 10, longest_delay_ns: 1000 };
        let mut network = Network::new(1, weather, 1);
        let mut counts = [0; 3];
        for now_ns in 0..1000 {
            counts[network.arrivals(0, now_ns).len()] += 1;
        }
        assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
        assert_eq!((network.lost, network.repeated), (counts[0], counts[2]));
    }
}
