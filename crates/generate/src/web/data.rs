//! What the shop consists of: the same for every seed, so that what was learnt from one run holds for another.

use crate::text::push_number;

/// A page of the shop.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) bytes: u32,
    pub(crate) millis: u32,
    /// How many pictures it shows, and the number of the first.
    pub(crate) images: usize,
    first_image: usize,
}

impl Page {
    /// Writes the path of one of its pictures, and says how large that is.
    pub(crate) fn image(&self, number: usize, out: &mut String) -> u32 {
        let image = self.first_image + number;
        out.push_str("/img/products/");
        push_number(out, image as u64);
        out.push_str(".webp");
        8_000 + (image as u32).wrapping_mul(7_919) % 52_000
    }
}

const FIRST_PAGES: [(&str, u32, u32, usize); 14] = [
    ("/", 18_342, 24, 6),
    ("/products", 22_871, 38, 8),
    ("/search", 14_210, 52, 4),
    ("/cart", 6_120, 31, 1),
    ("/products/bestsellers", 21_660, 36, 8),
    ("/blog", 16_480, 22, 3),
    ("/login", 2_310, 9, 0),
    ("/account", 7_905, 41, 0),
    ("/about", 9_130, 8, 2),
    ("/contact", 5_014, 8, 0),
    ("/api/v1/items", 3_877, 18, 0),
    ("/checkout", 8_450, 63, 1),
    ("/help/shipping", 6_640, 7, 0),
    ("/help/returns", 6_212, 7, 0),
];
const GOODS: [&str; 12] =
    ["lamp", "desk", "chair", "shelf", "mirror", "carpet", "sofa", "clock", "vase", "kettle", "blanket", "drawer"];
const STYLES: [&str; 8] = ["oak", "walnut", "linen", "steel", "copper", "rattan", "felt", "marble"];
const POSTS: [&str; 8] = [
    "choosing-a-desk",
    "light-in-winter",
    "care-of-oak",
    "small-rooms",
    "a-visit-to-the-workshop",
    "colours-of-the-year",
    "how-we-pack",
    "ten-years",
];

/// All pages, the most popular first; the first ones are at fixed places.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    let mut add = |path: String, bytes: u32, millis: u32, images: usize| {
        let first_image = 100 + 10 * pages.len();
        pages.push(Page { path, bytes, millis, images, first_image });
    };
    for (path, bytes, millis, images) in FIRST_PAGES {
        add(path.to_owned(), bytes, millis, images);
    }
    for (i, goods) in GOODS.iter().enumerate() {
        for (j, style) in STYLES.iter().enumerate() {
            let number = (i * STYLES.len() + j) as u32;
            add(format!("/products/{style}-{goods}"), 11_000 + number * 37, 28 + number % 9, 4);
        }
        if let Some(post) = POSTS.get(i) {
            add(format!("/blog/2025/{post}"), 13_000 + i as u32 * 811, 19, 2);
        }
    }
    pages
}

/// Files that every page needs, and their sizes.
pub(crate) const COMMON_FILES: [(&str, u32); 6] = [
    ("/static/app.3f2a91c0.css", 24_118),
    ("/static/app.77c1d04e.js", 88_402),
    ("/static/vendor.91ee02ab.js", 141_977),
    ("/static/logo.svg", 2_874),
    ("/static/fonts/inter-var.woff2", 45_012),
    ("/favicon.ico", 5_430),
];

/// Paths from old bookmarks and links, with what is answered: not there, or elsewhere now.
pub(crate) const STALE: [(&str, u16); 8] = [
    ("/apple-touch-icon.png", 404),
    ("/blog/2019/opening", 404),
    ("/products/pine-stool", 404),
    ("/catalogue.pdf", 404),
    ("/index.html", 301),
    ("/shop", 301),
    ("/ads.txt", 404),
    ("/blog/feed.xml", 301),
];

pub(crate) const WORDS: [&str; 16] = [
    "lamp", "oak", "desk", "small", "white", "chair", "round", "shelf", "blue", "gift", "mirror", "wall", "sofa", "kettle",
    "wool", "clock",
];

pub(crate) const REFERRERS: [&str; 6] = [
    "https://www.google.com/",
    "https://www.google.com/",
    "https://www.bing.com/",
    "https://duckduckgo.com/",
    "https://www.instagram.com/",
    "https://news.example.org/living/2025/furniture",
];

pub(crate) const BROWSERS: [&str; 12] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1",
];

/// Crawlers with the address each comes from.
pub(crate) const CRAWLERS: [(u32, &str); 5] = [
    (u32::from_be_bytes([66, 249, 66, 21]), "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    (u32::from_be_bytes([157, 55, 39, 112]), "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    (u32::from_be_bytes([54, 36, 148, 9]), "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    (u32::from_be_bytes([87, 250, 224, 40]), "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)"),
    (
        u32::from_be_bytes([17, 121, 114, 77]),
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    ),
];
