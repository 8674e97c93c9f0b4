"""The products of the demo catalogue, one a line, below the category they belong to.

    name | sku | price[/former price] in cents | grams | drawing[:form] colours | tags | attributes | options | description

The sku's first part picks the brand. The first colour is also the product's ``colour``
attribute unless it has a ``~`` before it or the product has a colour option. Attributes:
``y``/``n`` are booleans, digits are integers, ``_`` is a space. Options: ``name:value,value``
joined with ``;``, where a value may add ``+cents`` and ``@grams``.
"""

BRANDS = {
    "ORW": "Oriwen Audio", "TSK": "Teskavolt", "MRB": "Marrowbeck", "OKF": "Oakenfennel", "CKR": "Cinderkettle", "MOS": "Mosswhistle Tea",
    "THW": "Thornwickle", "FRH": "Fernadale", "IKM": "Inkamere Press", "PPW": "Paperwrenn", "COB": "Cobblespoke", "VLR": "Velorrin",
    "FLB": "Fellbarrock", "TMB": "Tumblewicken", "LDM": "Lindenmarsh", "GLM": "Glimmerstow", "RVB": "Ravensbury Knit", "HBF": "Hobfinch", "BKF": "Brackenforge",
}

LOW_STOCK = {"ORW-105": 0, "RVB-801-XL-FOREST": 0, "VLR-604-L": 0, "GLM-908-BRASS": 0, "IKM-512": 2, "FLB-701": 3, "TMB-709": 1, "BKF-904": 2, "ORW-109": 3}

PRODUCTS = """
# electronics/audio/headphones
Harbour Over-Ear Headphones|ORW-101|12900/14900|265|headphones teal charcoal|audio wireless over-ear|wireless=y battery_hours=38 noise_cancelling=y|colour:teal,sand,black|Soft memory-foam cups and a steel headband make these easy to forget on a long train ride. Noise cancelling quietens engines without squeezing your ears, and one charge lasts most of a working week.
Lark On-Ear Headphones|ORW-102|5900|168|headphones mustard slate|audio wireless on-ear|wireless=y battery_hours=24 noise_cancelling=n|colour:mustard,rose|A light pair for walks and errands. They fold flat into a coat pocket and charge over lunch.
Switchboard Headset|ORW-103|7450|210|headphones:1 charcoal coral|audio headset office microphone|wireless=n cable_cm=180||The boom microphone hears you rather than the room, and folding it up mutes the call. A braided cable clicks into either side.
Cockle Wireless Earbuds|ORW-104|8900|52|earbuds cream teal|audio wireless earbuds|wireless=y battery_hours=7 waterproof=y|colour:cream,navy|Rounded buds that sit low in the ear and stay put when you run. The case carries three more charges.
Studio Nine Headphones|ORW-105|24900|320|headphones:2 walnut black|audio wired studio|wireless=n impedance_ohm=80||Turned walnut cups give these open-backed headphones a warm, unhurried sound. Every part, from pads to cable, can be replaced with one small key.
# electronics/audio/speakers
Alder Bookshelf Speakers|ORW-106|34900/39900|7400|speaker walnut charcoal|audio hi-fi pair|wireless=n power_watts=60||A pair of two-way speakers in real walnut veneer. They were voiced in an ordinary living room, so they do not demand a special one.
Puddle Portable Speaker|ORW-107|6900|540|portable sage walnut|audio wireless outdoors|wireless=y battery_hours=16 waterproof=y|colour:sage,coral,navy|It floats, it rinses clean under a tap and it fills a picnic with surprisingly round bass. Link two for stereo.
Kitchen Table Radio|ORW-108|9900|1850|radio red black|audio radio dab|wireless=y presets=10|colour:red,cream,petrol|Two big knobs, ten presets and a clear dial you can read from across the kitchen. The handle means it follows you to the bath.
Millrace Turntable|ORW-109|42900|6200|turntable oak copper|audio vinyl hi-fi|wireless=n speeds=2||A belt-driven deck with a fitted cartridge and a heavy platter. Level the feet, lower the arm and the evening is sorted.
Foundry Floor Speaker|ORW-110|89900|18500|speaker black brass|audio hi-fi|wireless=n power_watts=150||A slim tower with a deep, settled low end. The brass-coloured front lifts away for dusting.
# electronics/power
Flint Power Bank|TSK-201|3990|240|powerbank coral cream|travel charging usb-c|usb_ports=2|capacity:10000 mAh,20000 mAh+2000@180|Charges a phone and a pair of earbuds at once, and tells you honestly how much is left. The soft shell survives drops from a tent bunk.
Trio Wall Charger|TSK-202|3490|142|charger navy mustard|charging usb-c travel|power_watts=65 usb_ports=3||Three ports replace the three bricks in your bag. It shares its 65 watts sensibly between a laptop and two phones.
Daybreak Solar Panel|TSK-203|8900/10900|780|solar olive indigo|solar camping charging|power_watts=21 waterproof=y||Three panels fold to the size of a magazine and hang from a rucksack by day. On a bright morning they charge a phone in about two hours.
Nightstand Charger|TSK-204|2250|96|charger white sage|charging usb-c|power_watts=30 usb_ports=1||A small, quiet charger with no glaring light to keep you awake. The two-metre cord reaches behind most beds.
Breakwater Power Bank|TSK-205|5490|410|powerbank charcoal yellow|charging rugged outdoors|capacity_mah=15000 waterproof=y||Sealed against rain and sand, with a torch in one corner for late arrivals. A rubber plug covers the sockets.
# electronics/computing
Cadence Mechanical Keyboard|TSK-206|11900|910|keyboard petrol coral cream|keyboard mechanical desk|wireless=y keys=68|switch:quiet,tactile,clicky+500|A compact board with full-size keys and a pleasing, muted thock. Swap the switches without a soldering iron.
Featherweight Keyboard|TSK-207|5900|430|keyboard silver slate white|keyboard slim wireless|wireless=y keys=66||Barely thicker than a pencil and happy to hop between a tablet and a laptop. The keys are quiet enough for a library.
Vole Wireless Mouse|TSK-208|3290/3990|88|mouse slate amber|mouse wireless desk|wireless=y buttons=5|colour:slate,mint|Small, silent and shaped for either hand. One battery lasts about a year of spreadsheets.
Lectern Laptop Stand|TSK-209|4900|720|laptopstand oak navy|desk laptop stand|material=beech foldable=y||Lifts your screen to eye level and folds down to a flat bundle of beech. Felt pads keep it from creeping.
Porthole Webcam|TSK-210|7900|165|webcam charcoal copper|webcam desk video|resolution_lines=1440 privacy_shutter=y||A sharp picture even in a dim study, with a proper twist shutter for when the meeting ends. It clips to screens or screws to a tripod.
Night Owl Gaming Mouse|TSK-211|5490|94|mouse:1 indigo coral|mouse gaming desk|wireless=n buttons=7||A quick, grippy mouse on a cord as soft as a shoelace. Two weights hide under the palm for tuning.
# kitchen/cookware
Hearth Cast-Iron Casserole|MRB-301|14900/17900|5200|casserole brick black|cookware cast-iron oven|material=cast_iron induction=y|size:22 cm,26 cm+3000@1400|Heavy, slow and forgiving: everything you want from a Sunday pot. The pale enamel inside shows when the onions are just right.
Everyday Saucepan|MRB-302|4490|1100|saucepan steel black|cookware steel induction|induction=y dishwasher_safe=y|size:16 cm,18 cm+600@180,20 cm+1200@350|A pan with a good pouring lip on both sides and a handle that stays cool. The measurements are marked where you can see them.
Skillet No. 26|MRB-303|5900|1900|pan:1 charcoal walnut|cookware frying-pan|induction=y diameter_cm=26||Spun carbon steel, ready-seasoned and lively on the heat. Eggs will stick for a week and then never again.
Enamel Milk Pan|MRB-304|2690|620|saucepan mint walnut|cookware enamel|capacity_ml=900 induction=y||Just the size for porridge, cocoa or one boiled egg. The beech grip is shaped for a sleepy hand.
Market Frying Pan|MRB-305|3890|980|pan terracotta charcoal|cookware frying-pan non-stick|induction=y diameter_cm=24||A light pan with a mineral coating that lets pancakes slide. Go gently with metal spoons and it will last for years.
# kitchen/knives-and-boards
Fennel Chef's Knife|OKF-306|7900|210|knife walnut brass|knife carbon-steel chef|blade_cm=20 dishwasher_safe=n||A balanced blade with a gentle curve for rocking through herbs. It arrives sharp and is easy to keep that way.
Bodkin Paring Knife|OKF-307|2400|72|knife:1 plum silver|knife paring|blade_cm=9 dishwasher_safe=n||For peeling, trimming and taking the eyes out of potatoes. The short blade goes exactly where you point it.
Crumb Bread Knife|OKF-308|4600|190|knife:2 oak brass|knife bread|blade_cm=25 dishwasher_safe=n||Long rounded teeth bite a hard crust without tearing the loaf. It also makes short work of tomatoes and pineapples.
Long Oak Serving Board|OKF-309|4200|1350|board oak walnut|board serving oak|material=oak reversible=y|size:small,large+1600@700|Cut from one plank and rubbed with plant oil. Use one face for bread and save the other for cheese.
Salad Board with Juice Rim|OKF-310|3290|1100|board:1 beech forest|board chopping|material=beech reversible=n||A shallow channel catches the tomato juice before your sleeve does. Small feet stop it sliding on a wet worktop.
# kitchen/bakeware
Crust Loaf Tin|MRB-311|1890|480|loaftin slate|bakeware bread|capacity_ml=1800 non_stick=y||Folded corners and thick walls give a loaf an even, deep brown coat. It holds a standard kilo of dough.
Springform Cake Tin|MRB-312|2190/2690|510|caketin red|bakeware cake|non_stick=y|size:20 cm,24 cm+400@120|The clasp closes firmly and the base is lipped to slide cakes off. Good for cheesecakes that would never survive being turned.
Ring Bundt Mould|MRB-313|2890|640|caketin:1 copper|bakeware cake mould|non_stick=y diameter_cm=23||A ring tin with steep sides and a wide chimney for even baking. Butter it well and the cake drops out with a sigh.
Stoneware Mixing Bowl|MRB-314|3400|1600|mixbowl:1 cream sky|bowl baking stoneware|dishwasher_safe=y|size:2 litre,4 litre+1200@900|Wide enough for two hands and heavy enough to stay put. The glazed stripe hides the inevitable batter drips.
Maple Rolling Pin|OKF-315|2250|620|rollingpin beech walnut|baking wood pastry|material=maple length_cm=44||Smooth-running handles and a generous barrel for pastry in one pass. Wipe it, never soak it.
# kitchen/tableware
Orchard Dinner Plate|MRB-316|1650|720|plate sage cream|tableware stoneware plate|dishwasher_safe=y diameter_cm=27|colour:sage,blush,navy|Each plate is dipped by hand, so the rim is never quite the same twice. They stack neatly and do not mind the microwave.
Dotted Side Plate|MRB-317|1150|410|plate:2 cream blue|tableware plate|dishwasher_safe=y diameter_cm=20||Toast plates with eight cheerful dots around the edge. Mix them with plain dinner plates for a table that looks collected.
Nesting Bowls, Set of Three|MRB-318|3900|1250|bowls terracotta cream|tableware bowls set|pieces=3 dishwasher_safe=y||One for soup, one for salad and one for the olives. They nest into a single tidy stack.
Ripple Tumblers, Pair|MRB-319|1990|560|glasses amber|glass tumbler set|pieces=2 dishwasher_safe=y|colour:amber,sky,rose|Thick-bottomed glasses with a waved wall that is easy to hold. The tint deepens beautifully with ice and lemon.
Wide-Rim Pasta Plate|MRB-320|1890/2290|780|plate:1 white petrol|tableware plate pasta|dishwasher_safe=y diameter_cm=29||A broad band of colour frames the food and gives your thumb somewhere to go. Deep enough for a brothy ragu.
# coffee-tea/coffee
Chimney Sweep Espresso Beans|CKR-401|950|250|pouch ~espresso cream copper|coffee espresso beans|roast=dark organic=n|weight:250 g,1 kg+2200@750|Dark chocolate, black cherry and a long treacle finish. It cuts through milk and is patient with a wandering grind.
High Terrace Filter Coffee|CKR-402|1190|250|pouch:1 ~sky white forest|coffee filter beans|roast=light organic=y|weight:250 g,1 kg+2900@750;grind:whole bean,filter|Grown on steep ground and roasted lightly to keep its peach and jasmine. Brew it slowly and drink it black.
Halfpenny House Blend|CKR-403|790|250|pouch:2 ~brick cream espresso|coffee blend everyday|roast=medium organic=n|grind:whole bean,filter,espresso|An easy, nutty coffee for the whole household. It works in a pot, a press or a noisy old machine.
Moonlit Decaf|CKR-404|1050|250|pouch ~navy lavender indigo|coffee decaf|roast=medium organic=y|grind:whole bean,filter|Water-processed decaf that tastes of malt biscuits and brown sugar. Your ten o'clock cup need not cost you the night.
Allotment Cold Brew Bags|CKR-405|1290|300|pouch:1 ~mint cream teal|coffee cold-brew|roast=medium servings=6||Drop a bag in a jug of water before bed and pour over ice at breakfast. Six bags make about six litres.
# coffee-tea/tea
Rainy Day Breakfast Tea|MOS-406|690|125|teatin ~brick cream|tea black loose-leaf|caffeine=y organic=n|weight:125 g,250 g+480@125|Brisk, coppery and built for milk. Two spoons in a warm pot will see off most kinds of weather.
Silver Meadow Green Tea|MOS-407|890|100|teatin ~sage cream|tea green loose-leaf|caffeine=y organic=y||Long twisted leaves with a taste of fresh peas and cut grass. Let the water cool for three minutes first.
Chamomile & Apple Infusion|MOS-408|650|80|teatin:1 ~lemon sage white|tea herbal caffeine-free|caffeine=n organic=y||Whole flower heads and little squares of dried apple. A mild cup for the last hour of the day.
Smoke & Pine Black Tea|MOS-409|950/1150|100|teatin:2 ~charcoal amber|tea black smoked|caffeine=y organic=n||Leaves dried over smouldering pine, as good in a flask as in a marinade. Start with less than you think.
Harvest Spice Chai|MOS-410|790|150|teatin:2 ~rust cream brick|tea chai spiced|caffeine=y organic=y||Cracked cardamom, ginger and a little black pepper in a malty base. Simmer it in milk until the kitchen smells right.
# coffee-tea/brewing
Quayside Cafetiere|CKR-411|3490|780|cafetiere copper walnut espresso|coffee brewer french-press|dishwasher_safe=y|size:3 cup,8 cup+1200@420|A double mesh keeps the grit out of the last cup. The frame lifts off so that the glass can be washed properly.
Stovetop Moka Pot|CKR-412|3290|610|moka steel black|coffee brewer moka|induction=y|size:3 cup,6 cup+900@260|Eight flat sides and a gurgle that wakes the house. The steel base works on every hob, induction included.
Tidepool Dripper Set|CKR-413|4450|690|dripper white walnut|coffee pour-over set|dishwasher_safe=y cups=4||A porcelain cone, a glass server and forty papers to begin with. Deep ribs keep the water moving.
Crank Hand Grinder|CKR-414|6900/7900|560|grinder black brass|coffee grinder manual|burr=steel steps=36||Steel burrs and a stepped dial take you from espresso to cafetiere. Thirty seconds of cranking makes a cup, and no neighbours complain.
Heron Gooseneck Kettle|CKR-415|7900|1150|kettle petrol walnut|kettle pour-over|capacity_ml=900 temperature_control=y|colour:petrol,cream|The narrow spout pours a thread of water exactly where you want it. Set the temperature and it will hold for half an hour.
Round Robin Teapot|MOS-416|3690|980|teapot mustard cream|teapot stoneware|capacity_ml=1100 dishwasher_safe=y|colour:mustard,teal|A round pot with a spout that truly does not drip. The wide basket gives the leaves room to open.
# coffee-tea/mugs
Half-Dip Mug|CKR-417|1290|380|mug terracotta cream|mug stoneware|capacity_ml=350 dishwasher_safe=y|colour:terracotta,navy,sage|Dipped twice, once in each glaze, with a thumb rest on the handle. Holds a proper builder's measure.
Swell Mug|CKR-418|1390|390|mug:1 sky white|mug stoneware|capacity_ml=380 dishwasher_safe=y||Brushed waves run round the outside and never quite meet. A good mug for people who look at the sea.
Polka Mug|CKR-419|1190|360|mug:2 cream coral|mug gift|capacity_ml=320 dishwasher_safe=y||Five fat dots and a friendly shape. It fits under most espresso machines.
Herbarium Mug|MOS-420|1450|370|mug:3 white forest|mug botanical tea|capacity_ml=350 dishwasher_safe=y||Drawn leaves spread up from the base like a pressed page. The thin lip is kind to tea.
Commuter Tumbler|CKR-421|2490/2990|290|tumbler forest black cork|travel cup insulated|capacity_ml=400 leakproof=y|colour:forest,sand,plum|Keeps coffee hot until the second station change, and a cork band saves your fingers. The lid locks with half a turn.
# garden/hand-tools
Dibble Hand Trowel|THW-501|1690|280|trowel forest brass|garden trowel|material=stainless_steel||A mirror-polished blade that slips through clay and wipes clean. Depth marks help with bulbs.
Three-Tine Hand Fork|THW-502|1690|270|trowel:1 red brass|garden fork weeding|material=stainless_steel||Loosens crusted soil and lifts weeds with their roots on. The ash handle is turned to fill the palm.
Robin Bypass Secateurs|THW-503|3990/4790|240|secateurs red black|garden pruning|cut_mm=22 left_handed=n||Clean cuts through live wood up to a finger's width. Blade, spring and catch are all replaceable.
Border Spade|THW-504|5490|1750|spade moss walnut|garden digging|length_cm=96||A narrow spade for planting between things you would rather not disturb. Treads on top spare your boots.
Potato Digging Fork|THW-505|5690|1900|spade:1 brown black|garden digging fork|length_cm=102||Four square tines that lift a row without spearing supper. Also fine for turning compost.
Bow Rake|THW-506|4390|1400|spade:2 green walnut|garden rake|length_cm=150||Level a seedbed with one side and break clods with the other. The long shaft saves your back.
# garden/growing
Sunburst Sunflower Seeds|FRH-507|290|20|seedpacket ~yellow amber sky|seeds flowers annual|sow_month=April height_cm=180||Tall plants with honey-coloured heads as wide as a dinner plate. Sow under cover and keep the slugs guessing.
Nantine Carrot Seeds|FRH-508|250|15|seedpacket:1 ~orange orange mint|seeds vegetables|sow_month=March organic=y||Blunt, sweet roots that pull cleanly even from heavy ground. Sow a short row every three weeks for a steady supply.
Kitchen Basil Seeds|FRH-509|275|12|seedpacket:2 ~green green cream|seeds herbs|sow_month=May organic=y||Large, glossy leaves with a peppery edge. Pinch the tips often and one pot will last the summer.
Balcony Tomato Seeds|FRH-510|320|14|seedpacket:3 ~red red lemon|seeds vegetables|sow_month=February organic=y||A bushy little plant that needs no staking and fruits until the frosts. Each truss ripens from the top down.
Terrace Planter with Saucer|FRH-511|2490|2100|planter terracotta sand|planter pot terracotta|drainage=y|size:20 cm,28 cm+1400@1900|Thick-walled clay that breathes and stays upright in a gale. The plant in the picture is for encouragement only.
Desert Corner Planter|FRH-512|1990|1300|planter:1 sky white|planter pot indoor|drainage=y diameter_cm=16||A glazed pot sized for a cactus and a sunny sill. A cork foot underneath protects the paint.
Lavender Trough Pot|FRH-513|2790/3290|2400|planter:2 slate cream|planter pot outdoor|drainage=y diameter_cm=30||A frost-proof pot with a generous root run for herbs and shrubs. Stand two by the door and brush past them.
# garden/watering
Long-Reach Watering Can|FRH-514|3290|1100|wateringcan forest brass|watering can|capacity_litres=7|colour:forest,mustard|The spout is long enough for the back of the border and balanced when full. A brass rose gives a soft shower.
Windowsill Watering Can|FRH-515|1790|420|wateringcan blush copper|watering can indoor|capacity_litres=1||A neat litre for houseplants, with a spout that does not splash the books. Pretty enough to leave out.
Coil Garden Hose|FRH-516|4490|3200|hose green yellow|watering hose|frost_safe=y|length:15 m,30 m+2500@2900|A supple hose that drains flat and does not kink at the corner of the shed. Brass fittings at both ends.
Orangery Watering Can|FRH-517|5490|1650|wateringcan copper brass|watering can gift|capacity_litres=5||A copper-plated can that mellows to the brown of autumn leaves. It pours from the first tilt.
# books-stationery/fiction
The Lamplighter of Sorrel Bay|IKM-501|1499|340|book:1 ~navy amber cream|novel fiction historical|pages=352 language=English hardback=n|format:paperback,hardback+900@260|A keeper of lights finds a boat with no crew and a table laid for four. A slow, salty mystery about promises and tides.
Nine Doors to November|IKM-502|1399/1699|320|book:6 ~plum gold|novel fiction fantasy|pages=298 language=English hardback=n||Every autumn one house in the street grows a door too many. A clever, tender fantasy about grief and stubborn neighbours.
A Fox at the Assembly Rooms|IKM-503|1299|290|book:9 ~rust cream|novel fiction comedy|pages=264 language=English hardback=n||A provincial ball, three false names and one very real fox. Bright comic writing with teeth underneath.
The Cartographer's Apprentice|IKM-504|1599|410|book:7 ~petrol sand|novel fiction adventure|pages=416 language=English hardback=y||She was told never to draw the eastern coast. This sweeping adventure explains why, one forbidden map at a time.
Small Hours, Tall Tales|IKM-505|1099|240|book:3 ~indigo lemon|short-stories fiction|pages=208 language=English hardback=n||Eighteen stories for people who cannot sleep, none longer than a pot of tea. The night porter will stay with you.
# books-stationery/non-fiction
Bread on a Weekday|IKM-506|2400|780|book:5 ~mustard espresso|cookery baking non-fiction|pages=224 language=English hardback=y||Forty loaves for people with jobs, arranged by how much time you really have. The rye chapter alone is worth the shelf space.
Know Your Hedgerow|IKM-507|1650|430|book:2 ~forest mint|nature guide non-fiction|pages=256 language=English hardback=n||A pocket guide to leaves, berries and the birds that quarrel over them. Organised by month, with keys that work in the rain.
Walking the High Line|IKM-508|1890|520|book ~slate amber|travel walking non-fiction|pages=288 language=English hardback=y||Twelve ridge walks told by a writer who is honest about sore feet. Sketch maps open every chapter.
The Patient Fisherman|IKM-509|1750/2100|450|book:4 ~teal cream|nature fishing non-fiction|pages=240 language=English hardback=y||Part memoir, part river notebook, mostly about not catching anything. You need not own a rod to enjoy it.
Trees of Our Street|IKM-510|1450|390|book:8 ~olive cream|nature children non-fiction|pages=96 language=English hardback=y||A first tree book for children who live in towns. Fold-out pages compare bark, bud and seed.
# books-stationery/notebooks
Clothbound Notebook|PPW-511|1690|330|notebook sage walnut|notebook stationery|pages=192|ruling:lined,dotted,plain|Smooth ivory paper that takes fountain pen ink without feathering. Lies open flat from the first page to the last.
Letterpress Almanac Diary|IKM-512|2490|390|notebook:2 brick cream gold|diary stationery|pages=224 dated=y||A week to a view, moon phases and room for the small victories. The cover is printed on a press older than the shop.
Wirebound Sketchbook|PPW-513|1390|480|notebook:1 black coral|sketchbook art|pages=100 paper_gsm=160|size:A5,A4+600@420|Toothy paper for pencil, charcoal and a little wash. The stiff back is a desk when there is none.
Weekly Desk Planner|PPW-514|1290|280|notebook:2 teal coral cream|planner desk|pages=120 dated=n||Undated pages mean that a missed week costs you nothing. Coloured tabs find the month in one go.
Pocket Ledger|PPW-520|990|120|notebook mustard navy|notebook pocket stationery|pages=96 ruling=squared||Small squares for sums, plans and scores. Rounded corners keep it neat in a back pocket.
# books-stationery/writing
Wren Fountain Pen|PPW-515|4900|28|pen navy gold|pen fountain stationery|refillable=y|nib:fine,medium,broad|A smooth steel nib and a body with a little heft. It starts first time even after a fortnight in a drawer.
Clickwell Ballpoint|PPW-516|890|18|pen:1 coral silver|pen ballpoint|refillable=y|colour:coral,mint,charcoal|A sturdy push-button pen with a knurled grip. Takes any standard refill.
Carpenter Pencil, Giant|PPW-517|350|22|pen:2 ~yellow pink|pencil stationery|hardness=2B||A fat, soft pencil for plans on plywood and lists on envelopes. Flat sides stop it rolling off the bench.
Twelve Field Pencils|PPW-518|1490/1890|110|pencils ~teal coral mustard|pencil colouring art|pieces=12||A dozen blendable colours chosen from moor, beach and hedge. They come in a card sleeve with a window.
Nightfall Bottle Ink|PPW-519|1190|160|inkbottle indigo black|ink stationery|volume_ml=50 waterproof=n|colour:indigo,forest,berry|Rich ink with soft shading that dries before your hand gets there. The wide neck suits even chubby pens.
# cycling/bikes
Alderman City Bike|VLR-601|74900|14500|bicycle:1 petrol brass|bike city|gears=8 mudguards=y|frame size:S,M,L|Upright, unhurried and fully dressed with guards and a front crate. The hub gears live inside, away from the weather.
Wheatear Road Bike|VLR-602|164900/189900|8900|bicycle red black|bike road|gears=22 mudguards=n|frame size:S,M,L|A quick steel frame with modern brakes and room for wider tyres. It climbs eagerly and descends like it has read the road.
Packhorse Touring Bike|VLR-603|139900|13200|bicycle:2 olive brown|bike touring|gears=27 mudguards=y|frame size:M,L|Bosses for three bottles, racks front and rear, and a frame that stays calm when loaded. Made for the long way round.
Switchback Gravel Bike|VLR-604|179900|9600|bicycle sand teal|bike gravel|gears=12 mudguards=n|frame size:S,M,L|Knobbly tyres and a relaxed front end for tracks the map is vague about. Equally fine on the way to work.
# cycling/helmets
Acorn Commuter Helmet|VLR-605|6900|340|helmet walnut sand|helmet commuter safety|vents=9|size:S,M@20,L@45|A rounded shell with a proper peak and a magnetic buckle. The dial at the back fits over a thin hat.
Swift Road Helmet|VLR-606|9900|245|helmet white red|helmet road safety|vents=18|size:S,M@15,L@30|Deep channels pull air over your head on slow climbs. The shell is light enough to forget.
Puddleduck Kids' Helmet|VLR-607|3490/3990|260|helmet yellow teal|helmet kids safety|vents=7 age_from=3||Chin-pinch-proof buckle and a cheerful shell that is easy to spot. It grows with a turn of the dial.
# cycling/accessories
Beacon Front Light|COB-608|3990|98|bikelight charcoal yellow|light safety usb-c|lumens=450 waterproof=y||A shaped beam that shows you the pothole and spares oncoming eyes. Runs eight hours on the middle setting.
Cinder Rear Light|COB-609|2490|42|bikelight:1 slate red|light safety usb-c|lumens=60 waterproof=y||A steady red glow that brightens when you brake. The strap fits round posts and fat bags alike.
Ferryman Pannier|COB-610|7900|860|pannier mustard black|bag pannier waterproof|capacity_litres=20 waterproof=y|colour:mustard,petrol|Welded seams and a roll-down lid keep your lunch dry in anything short of a river. Clips on with one hand.
Track Pump with Gauge|COB-611|3790|1450|bikepump red black|pump workshop|max_bar=11||A tall barrel and a wide foot put air in quickly. The head swaps between valve types without fuss.
Ding Brass Bell|COB-612|1690|84|bell brass black|bell safety|material=brass||One clear note that carries without sounding cross. Fits any bar with the two shims in the box.
Milepost Bike Bottle|COB-613|1190|92|bottle sky navy white|bottle hydration|capacity_ml=650 dishwasher_safe=y|colour:sky,coral|Squeezes easily, seals properly and does not taste of plastic. The printed band shows how much is left.
Long Ride Steel Bottle|COB-614|2290|210|bottle charcoal copper amber|bottle hydration steel|capacity_ml=750 dishwasher_safe=y||Single-wall steel that shrugs off dents and never keeps yesterday's squash. The cap opens with a gloved thumb.
# outdoors/shelter-and-sleep
High Saddle Two-Person Tent|FLB-701|32900/37900|2300|tent olive orange|tent camping backpacking|persons=2 season=3||Two doors, two porches and no argument about who gets up first. It pitches all in one, so the inner stays dry.
Longhouse Family Tent|FLB-702|54900|9800|tent:1 teal mustard|tent camping family|persons=5 season=3||Tall enough to stand in and split into two quiet bedrooms. Colour-marked poles make setting up a family game.
Solo Bivvy Tent|FLB-703|21900|1350|tent rust sand|tent backpacking ultralight|persons=1 season=3||A small, taut shelter for one walker and a rucksack. The poles pack short enough for a bike bag.
Down Valley Sleeping Bag|FLB-704|18900|980|sleepingbag navy amber|sleeping-bag down|washable=y|comfort:5 C,-3 C+4000@260|Responsibly sourced down in wide baffles that loft in minutes. The hood draws in to a breathing hole.
Meadow Sleeping Bag|FLB-705|6900|1500|sleepingbag moss cream|sleeping-bag camping|comfort_c=10 washable=y||A roomy synthetic bag for summer fields and sofas. Two of them zip together.
Cloudbank Roll Mat|FLB-706|4490/5490|720|rolledmat petrol orange|mat camping sleep|length_cm=188||Open the valve and it does most of the work itself. The textured top stops the midnight slide.
# outdoors/packs
Crag 30 Rucksack|FLB-707|9900|1150|backpack terracotta charcoal|rucksack hiking|capacity_litres=30 waterproof=n|colour:terracotta,forest|A day pack with a lid that fits a loaf and side pockets you can reach while walking. The back panel holds itself off your shirt.
Trailhead 55 Rucksack|FLB-708|17900|1900|backpack:1 navy orange|rucksack trekking|capacity_litres=55 rain_cover=y|back length:regular,long@80|Built to carry a week's worth without complaint. The hip belt does the lifting and the lid becomes a small bag.
Sparrow Kids' Backpack|FLB-709|3490|420|backpack:2 coral teal lemon|rucksack kids school|capacity_litres=12 reflective=y||Soft straps, a name patch inside and a pocket for important stones. The chest clip is easy for small fingers.
Bothy 40 Roll-Top Pack|FLB-714|13900|1320|backpack:1 slate rust|rucksack hiking waterproof|capacity_litres=40 waterproof=y||Rolls down small for a summit and up tall for a night in a hut. The zigzag cord holds a wet coat.
# outdoors/camp-kitchen
Bluebell Gas Stove Set|FLB-710|5900|640|stove green amber|stove camping cooking|boil_minutes=4||A burner, a pot and a windproof ring that nest into one lump. Gas canister sold separately.
Storm Camp Lantern|FLB-711|3990|820|lantern red brass|lantern camping light|lumens=320 battery_hours=60||The look of an oil lamp with a dimmable warm bulb inside. Hangs from a branch or stands on the table.
Summit Vacuum Flask|FLB-712|3290|460|flask forest black sand|flask insulated|leakproof=y|size:500 ml,1 litre+900@280|Tea poured at dawn is still too hot at noon. The lid is a cup, as it ought to be.
Speckled Mess Kit|FLB-713|2690|510|messkit sky navy|camping cutlery enamel|pieces=4||A mug, a bowl, a fork and a spoon in chip-resistant enamel. Good at home too, though it tastes better outside.
# toys/wooden
Branch Line Train|TMB-701|2990|680|train red blue green|toys wooden train|age_from=2 pieces=6||An engine and a wagon of coloured cargo that clacks along any floor. Magnets hold the carriages together until they should not.
Pagoda Stacking Rings|TMB-702|1890|520|rings coral amber teal|toys wooden toddler|age_from=1 pieces=7||Five rings and a knob to post in the right order, or gloriously the wrong one. Finished in chew-safe colour.
Town Square Blocks|TMB-703|3490/4290|1450|blocks sky coral mustard|toys wooden blocks|age_from=1|pieces:24,48+2600@1400|Cubes, arches and roofs cut from beech with softened corners. Enough for one palace or several small arguments.
Sunday Drive Car|TMB-704|1990|340|toycar teal cream|toys wooden car|age_from=2|colour:teal,red|A chunky saloon with quiet rubber tyres. It rolls much further than you expect.
Gravel Lane Race Car|TMB-715|1790|310|toycar orange navy|toys wooden car|age_from=2||A low-slung racer with a bold stripe and a satisfying weight. It takes kitchen corners at alarming speed.
Skylark Kite|TMB-705|2490|210|kite coral navy yellow|toys outdoors kite|age_from=6 line_m=30||A diamond kite that lifts off in a light breeze. The tail has bows because tails should.
# toys/puzzles-and-games
Night Garden Jigsaw|TMB-706|1790|620|jigsaw ~indigo moss lavender|puzzle jigsaw|age_from=8|pieces:500,1000+500@380|Moths, lanterns and a hedgehog hidden in nearly every corner. Thick pieces that click and stay put.
Harbour Map Jigsaw|TMB-707|1290|410|jigsaw ~sky coral sand|puzzle jigsaw kids|age_from=4 pieces=48||Big pieces for small hands, with twelve boats to find when it is done. The box doubles as a tray.
Draughts & Ladders Board|TMB-708|2690|1100|boardgame walnut red|game board family|age_from=5 players=4||Two classic games on one wooden board. The pieces live in a drawer underneath, so they may even survive.
The Smugglers' Parliament|TMB-709|3990|1350|boardgame petrol mustard|game strategy family|age_from=10 players=5 minutes=60||Trade, bluff and bribe your way along a foggy coast. Easy to learn, and wonderfully hard to trust anyone in.
# toys/soft-toys
Barnaby Bear|TMB-710|2490|310|teddy tan cream red|toys soft bear|age_from=0 washable=y height_cm=32||A serious bear in a red bow tie. He has weighted feet and sits up straight at tea.
Clover Rabbit|TMB-711|2190|240|rabbit grey blush berry|toys soft rabbit|age_from=0 washable=y height_cm=30|colour:grey,oat|Long floppy ears that are just right for holding. She washes at thirty degrees and dries overnight.
Old Blue the Whale|TMB-712|2790/3290|420|whale blue cream|toys soft whale|age_from=0 washable=y length_cm=45||A wide, huggable whale who doubles as a pillow on long drives. His smile is stitched and cannot come off.
Dot the Little Whale|TMB-713|1590|180|whale coral cream|toys soft whale|age_from=0 washable=y length_cm=24||A pocket-sized companion for Old Blue, with a rattle in her tail. She fits in a nappy bag.
Damson the Bear|TMB-714|2790|330|teddy plum rose mustard|toys soft bear|age_from=0 washable=y height_cm=34||A thoughtful bear the colour of jam. He listens very well and keeps every secret.
# home/bedding
Washed Linen Bed Set|LDM-801|14900|1900|bedset oat sage|bedding linen|material=linen pieces=3|size:single,double+4000@700,king+6500@1100|Stone-washed linen that is soft on the first night and better by the hundredth. Cool in July and snug in January.
Percale Stripe Bed Set|LDM-802|8900/10900|1600|bedset:1 white navy|bedding cotton|material=cotton pieces=3|size:single,double+2500@600|Crisp cotton with a woven stripe that will not fade. It irons well and looks fine if you never do.
Polka Nap Bed Set|LDM-803|5900|1100|bedset:2 sky cream|bedding kids cotton|material=cotton pieces=2||A toddler-bed set with dots and a generous envelope on the pillow. No buttons to work loose.
Gooseless Pillow|LDM-804|3490|780|pillow white sky|bedding pillow|washable=y|firmness:soft,medium@80,firm@160|A springy, feather-free filling that is easy to plump. The piped cotton cover breathes.
Buckwheat Sleep Pillow|LDM-805|4290|2100|pillow:1 sand forest|bedding pillow natural|washable=n organic=y||Rustling hulls mould to your neck and let the air through. Tip some out to get the height you like.
# home/bath
Harbour Bath Towels|LDM-806|2490|620|towels teal cream sand|bath towel cotton|material=cotton|size:hand,bath+1200@300,sheet+2200@600|Thick ring-spun loops that dry you properly. They keep their colour through a great many hot washes.
Fringed Hammam Towel|LDM-807|2890|340|towels:1 coral cream|bath towel beach|material=cotton|colour:coral,indigo|A flat weave that packs small and dries on a chair back. As good a scarf as it is a towel.
Rolled Guest Towels|LDM-808|1990|280|towels:2 sage cream walnut|bath towel set|material=cotton pieces=2||A pair of small towels tied with a tape, ready for the spare room. They soften with every wash.
Pebble Bath Mat|LDM-809|2690/3190|900|bathmat slate silver|bath mat|non_slip=y washable=y||Deep tufts with a pattern of river stones. The backing grips tiles and survives the machine.
Reed Weave Bath Mat|LDM-810|2290|780|bathmat:1 olive sand|bath mat cotton|non_slip=n washable=y||A firm, ribbed mat that dries quickly and feels good underfoot. Turn it over when one side tires.
# home/cushions-and-throws
Deckchair Stripe Cushion|LDM-811|2890|520|cushion blue white|cushion cotton|washable=y size_cm=45|colour:blue,mustard|Broad stripes in sturdy cotton canvas. The cover unzips and the pad is plump from corner to corner.
Kilim Diamond Cushion|LDM-812|3690|610|cushion:1 brick cream navy|cushion wool|washable=n size_cm=50||A bold diamond woven in thick wool. It brightens a tired armchair faster than paint.
Leaf Print Cushion|LDM-813|2690|500|cushion:2 cream forest|cushion linen botanical|washable=y size_cm=45||Three broad leaves block-printed on heavy linen. No two pulls are alike.
Pompom Dot Cushion|LDM-814|2490/2990|480|cushion:3 blush berry|cushion cotton kids|washable=y size_cm=40||Raised dots that small fingers cannot leave alone. Soft enough for a reading corner.
Shepherd's Check Throw|LDM-815|6900|950|throw forest mustard cream|throw wool|material=wool washable=n|colour:forest,brick|Pure wool woven in a generous check and finished with a hand-twisted fringe. One for the back of the sofa, and the car.
Zigzag Cotton Throw|LDM-816|4490|820|throw:2 coral cream mustard|throw cotton|material=cotton washable=y||A cheerful zigzag that goes in the wash with everything else. Big enough for two on a bench.
# home/lighting/table-lamps
Dumpling Table Lamp|GLM-901|6900|1700|tablelamp cream sage|lamp lighting bedside|dimmable=y bulb=E27|colour:cream,mustard|A plump ceramic base under a plain drum shade. It gives a soft pool of light that suits late chapters.
Column Reading Lamp|GLM-902|8900|2100|tablelamp:1 navy brass|lamp lighting|dimmable=y bulb=E27||A slender brass stem on a weighted foot. The lined shade throws the light down onto the page.
Tripod Side Lamp|GLM-903|7900/9400|1600|tablelamp:2 terracotta oak|lamp lighting wood|dimmable=n bulb=E27||Three oak legs and a sunny shade. Assembly takes one screw and no swearing.
Drafting Desk Lamp|GLM-904|5990|1350|desklamp red charcoal|lamp desk lighting|dimmable=y bulb=LED|colour:red,sage|Springs hold the arm exactly where you leave it. The touch switch steps through four levels.
Fern Soy Candle|GLM-905|1890|520|candle forest sand|candle scented|burn_hours=45 scented=y|scent:woodsmoke,fig,sea salt|Poured in small batches into a glass you will want to keep. The scent stays politely in the background.
# home/lighting/pendants
Canteen Dome Pendant|GLM-906|8490|1500|pendant petrol brass|lighting pendant kitchen|dimmable=y diameter_cm=36|colour:petrol,cream|Spun metal with a white inside that bounces light over the table. The cable shortens without tools.
Funnel Pendant|GLM-907|6490|1100|pendant:1 mustard black|lighting pendant|dimmable=y diameter_cm=30||A crisp cone for a hallway or a row above a counter. It casts a neat, bright circle.
Opal Globe Pendant|GLM-908|11900/13900|1900|pendant:2 amber brass|lighting pendant glass|dimmable=y diameter_cm=25|finish:brass,black|Mouth-blown glass that glows like a late afternoon. Choose a warm bulb and let it do the rest.
Basket Weave Pendant|GLM-909|7490|900|pendant:3 oat walnut|lighting pendant natural|dimmable=y diameter_cm=44||Split cane woven over a light frame. It scatters a lacework of shadow across the ceiling.
Orchard String Lights|GLM-910|2990|480|stringlights amber forest|lighting outdoor party|waterproof=y bulbs=20|length:5 m,10 m+1600@420|Warm little bulbs on a fabric-covered cord. Rain does them no harm.
# apparel/tops
Plain Good Tee|HBF-801|2490|180|tshirt sage|t-shirt cotton basics|material=organic_cotton|size:S,M,L,XL;colour:sage,white|A mid-weight tee that keeps its collar. Cut straight, with a hem long enough to tuck in.
Boatman Stripe Tee|HBF-802|2990|190|tshirt:1 white navy|t-shirt cotton striped|material=cotton|size:S,M,L|Even stripes knitted in, not printed on. The neck sits wide and easy.
Sunrise Print Tee|HBF-803|2790/3290|175|tshirt:2 navy amber coral|t-shirt cotton print|material=organic_cotton|size:S,M,L|A hill at dawn, screen-printed by hand in soft water-based ink. It will not crack in the wash.
Workshop Oxford Shirt|HBF-804|5490|310|shirt sky cream|shirt cotton|material=cotton|size:S,M,L,XL|Sturdy oxford cloth with a pocket for a pencil. Better slightly crumpled.
Woodlot Check Shirt|HBF-805|5990|380|shirt:1 brick forest|shirt flannel checked|material=flannel|size:S,M,L|Brushed on both sides and warm before you have done up the last button. Layer it or live in it.
# apparel/knitwear
Cable Harbour Jumper|RVB-801|8900|620|sweater petrol navy|jumper wool knitwear|material=lambswool|size:M,L,XL;colour:petrol,forest|Twin cables in springy lambswool with firm cuffs. Wear it under a coat or instead of one.
Snowline Yoke Jumper|RVB-802|9900/11900|640|sweater:1 charcoal cream red|jumper wool knitwear|material=wool|size:S,M,L|A zigzag yoke from an old pattern book, knitted in a round with no seams to rub. Good for frosty mornings.
Librarian Cardigan|RVB-803|7900|560|sweater:2 plum mustard brass|cardigan wool knitwear|material=merino|size:S,M,L|Fine merino, five buttons and pockets that really hold things. Mends easily, should it ever need to.
Bobble Hat|RVB-804|2490|110|beanie navy mustard|hat wool knitwear|material=wool|colour:navy,berry|A thick turned brim and a bobble of sensible size. One size fits nearly everybody.
Dockside Beanie|RVB-805|1990|85|beanie:1 rust|hat wool knitwear|material=merino||A close ribbed cap that does not itch or ride up. It folds into a pocket.
Pennant Scarf|RVB-806|3490|240|scarf forest cream|scarf wool knitwear|material=lambswool length_cm=190||Long enough to go round twice, with striped ends and a soft fringe. Woven in a single piece.
# apparel/outerwear
Drizzle Rain Jacket|HBF-806|11900|520|jacket mustard navy|jacket waterproof|waterproof=y|size:S,M,L,XL|Taped seams, a peaked hood and a smile-inducing colour. It packs into its own pocket when the sun appears.
Eiderless Padded Jacket|HBF-807|13900/16900|680|jacket:1 moss orange|jacket insulated winter|waterproof=n|size:S,M,L|Recycled filling in wide channels keeps the warmth in without the bulk. The collar stands up to wind.
Fieldhand Chore Coat|HBF-808|9900|890|jacket:2 navy brass|jacket cotton workwear|waterproof=n|size:S,M,L|Hard-wearing cotton drill and four pockets in the right places. It fades where you use it most.
# apparel/footwear-and-accessories
Tarn Walking Boots|FLB-801|15900|1240|boots brown sand mustard|boots walking waterproof|waterproof=y|size:38,40,42,44@120|Full-grain leather, a grippy sole and no breaking-in period to speak of. They can be resoled.
Promenade Trainers|HBF-809|7900|720|shoe sky navy tan|shoes trainers|waterproof=n|size:38,40,42|Suede and mesh over a cushioned gum sole. Smart enough for the office on a Friday.
Hearthside Felt Slippers|HBF-810|3990|410|shoe:2 grey coral cork|slippers wool home|material=wool_felt|size:38,40,42|Moulded felt with a cork sole that is quiet on the stairs. Your feet choose their own temperature.
Three-Stripe Walking Socks|RVB-807|1490|90|socks moss cream mustard|socks wool|material=merino|size:36-39,40-43|A cushioned heel and toe, with a leg that stays up. They last for days between washes, if you must.
Harlequin Ankle Socks|RVB-808|1190|60|socks:2 lavender plum lemon|socks cotton|material=cotton|size:36-39,40-43|Diamonds down each side and a seam you cannot feel. A small rebellion under sensible trousers.
Canvas Market Tote|HBF-811|1890/2290|260|tote cream forest|bag cotton tote|material=canvas capacity_litres=14||Heavy canvas, double-stitched handles and a flat base for eggs. It stands up on its own.
# tools/hand-tools
Joiner's Claw Hammer|BKF-901|2790|720|hammer brick black|hammer tools|head_grams=450||A forged head on a hickory shaft, with a grip for wet days. It pulls nails as willingly as it drives them.
Dead-Blow Mallet|BKF-902|2390|860|hammer:1 charcoal orange|mallet tools|head_grams=600||A shot-filled head lands without bouncing or bruising. Kind to chair joints and chisels.
Two-Driver Set|BKF-903|1590|230|screwdriver red navy|screwdriver tools set|pieces=2 magnetic=y||One flat and one cross tip, both hardened and magnetic. Fat handles give you all the turn you need.
Open-Ring Spanner Trio|BKF-904|2690/3290|540|spanner teal orange|spanner tools set|pieces=3||Three most-wanted sizes in drop-forged steel. Colour bands save you squinting at numbers.
Panel Saw|BKF-905|2990|610|saw walnut brass|saw tools woodwork|length_cm=50 teeth_per_inch=9||Taper-ground so that it glides, with hardened teeth for years of clean cuts. The handle is sized for a whole hand.
Five-Metre Tape|BKF-906|1290|260|tape yellow charcoal|measuring tools|length_m=5 lockable=y||A stiff blade that stays out without buckling. Matt figures are readable in bright sun.
Beam Spirit Level|BKF-907|2490|580|level red black|measuring tools level|magnetic=y|length:40 cm,60 cm+700@250|A milled edge and a bright vial you can trust. Drop caps protect the ends when it slips.
# tools/power-and-storage
Badger Cordless Drill|BKF-908|12900/14900|1450|drill orange black|drill power-tools cordless|volts=18 wireless=y|kit:body only,with battery+6000@450|Two gears, a metal chuck and a light that shines where the bit goes. It has plenty of torque and good manners.
Otter Palm Sander|BKF-909|6900|1300|sander teal charcoal|sander power-tools|volts=230 wireless=n||Fits the hand and gets into corners. The dust box truly catches most of it.
Cantilever Toolbox|BKF-910|4990|3400|toolbox red black|storage toolbox|lockable=y||Steel sides, a sturdy handle and two catches that snap. Holds a long saw on the slant.
Twelve-Drawer Organiser|BKF-911|3490|2200|toolbox:1 slate orange cream|storage organiser workshop|drawers=12||Clear the jam jars of screws into drawers that stop before they fall out. Stacks, or hangs on two hooks.
Open Tool Tote|BKF-912|3890|1600|toolbox:2 olive tan|storage tool-bag|pockets=14||A stiff canvas tote with pockets all round. Everything stands upright, so the right tool is the first you see.
"""
