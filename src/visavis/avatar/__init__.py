from visavis.avatar import kernel_cache

kernel_cache.provide()
